// The server to which an FLV is published by RTMP, which takes it apart and puts it together again for its watchers; see peers.ts.

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
