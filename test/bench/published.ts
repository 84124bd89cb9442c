// The servers to which an FLV is published by RTMP, which take it apart and put it together again for their watchers: nginx-rtmp and
// MediaMTX give RTMP, SRS HTTP-FLV. Each has its own defaults but for the port, what it logs, and how long the broadcaster may say
// nothing; see peers.ts.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Started, serverCpu, start, stop } from "./process.ts";
import { freePorts, listens, newFolder, type Running, type Tools } from "./running.ts";

export async function startNginx(nginx: Tools["nginx"]): Promise<Running> {
  if (nginx === undefined) throw new Error("nginx-rtmp needs nginx");
  const cwd = newFolder();
  const [port] = freePorts();
  const config = join(cwd, "nginx.conf");
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${cwd}/pid; error_log stderr error; load_module ${nginx.rtmpModule};
events { worker_connections 16000; }
rtmp { access_log off; server { listen 127.0.0.1:${port}; chunk_size 4096; application live { live on; } } }
`,
  );
  const command = [nginx.binary, "-p", cwd, "-c", config];
  const server = start(command, { cpu: serverCpu, cwd, stderr: join(cwd, "stderr") });
  await listens(port);
  return publishedTo(server, port);
}

/** How long those who are named wait for the broadcaster's first frame while watchers connect, milliseconds. */
const patienceMs = 60_000;

/** SRS as it comes or with a time to gather, milliseconds. */
export async function startSrs(binary: string | undefined, gatherMs: number | undefined): Promise<Running> {
  if (binary === undefined) throw new Error("SRS= names no binary");
  const cwd = newFolder();
  const [port, broadcastPort] = freePorts();
  const config = join(cwd, "srs.conf");
  const play = gatherMs === undefined ? "" : `play { mw_latency ${gatherMs}; }`;
  writeFileSync(
    config,
    `listen 127.0.0.1:${broadcastPort};
max_connections 4000;
daemon off;
pid ${cwd}/srs.pid;
srs_log_tank file;
srs_log_file ${cwd}/srs.log;
srs_log_level error;
http_server { enabled on; listen 127.0.0.1:${port}; dir ${cwd}; }
vhost __defaultVhost__ {
  publish { firstpkt_timeout ${patienceMs}; normal_timeout ${patienceMs}; }
  http_remux { enabled on; mount [vhost]/[app]/[stream].flv; }
  ${play}
}
`,
  );
  const server = start([binary, "-c", config], { cpu: serverCpu, cwd, stderr: join(cwd, "stderr") });
  await listens(broadcastPort);
  await listens(port);
  return { ...publishedTo(server, broadcastPort), port, kind: "http-flv", path: "/live/bench.flv" };
}

export async function startMediamtx(binary: string | undefined): Promise<Running> {
  if (binary === undefined) throw new Error("MEDIAMTX= names no binary");
  const cwd = newFolder();
  const [port] = freePorts();
  const config = join(cwd, "mediamtx.yml");
  writeFileSync(config, "paths: {all_others: {}}\n");
  // By its environment, where a version takes no notice of protocols that it does not know.
  const others = ["RTSP", "HLS", "WEBRTC", "SRT", "MOQ"].map((name) => `MTX_${name}=no`);
  const settings = [
    `MTX_RTMPADDRESS=127.0.0.1:${port}`,
    `MTX_READTIMEOUT=${patienceMs}ms`,
    "MTX_LOGLEVEL=error",
  ];
  const command = ["env", ...others, ...settings, binary, config];
  const server = start(command, { cpu: serverCpu, cwd, stderr: join(cwd, "stderr") });
  await listens(port);
  return publishedTo(server, port);
}

/** A server that takes RTMP on that port, and gives it there. */
function publishedTo(server: Started, port: number): Running {
  return {
    pid: server.pid,
    port,
    broadcastPort: port,
    kind: "rtmp",
    broadcastKind: "rtmp",
    path: "/",
    tls: false,
    stop: () => stop(server),
  };
}
