// The servers that are compared, each started afresh for each run on a port of the loopback interface:
//
//   fstream        the product, with its default settings but for the number that may wait
//   fstream-50     the same with min_delay = "50ms"; fstream-350: "350ms", as long as SRS gathers
//   fstream-get    the same; its watchers ask by GET, on the port of the protocol
//   fstream-http   they ask by GET, on the port for HTTP
//   fstream-socket they watch over WebSockets, on the port for HTTP
//   fstream-tls    they come over TLS
//   fstream-https  they ask by GET over TLS, on the port for HTTPS
//   C              fanout.c
//   icecast        Debian's Icecast, with a queue as long as fstream's backlog; watchers over HTTP, the source by PUT
//   icecast-tls    the same over TLS
//
// Of an FLV only, which is published to them by RTMP:
//
//   nginx-rtmp     Debian's module for nginx; watchers take RTMP
//   srs            SRS as it comes, which gathers for 350 ms; watchers take HTTP-FLV
//   srs-20         the same with mw_latency 20, as long as fstream gathers; srs-0: 0, with which it asks for frames without pause
//   mediamtx       MediaMTX as it comes; watchers take RTMP
//
// Icecast sends no burst to those who come, unless it is asked to: a burst would be counted as delay.

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folder, serverCpu, start, stop, until } from "./process.ts";
import { startMediamtx, startNginx, startSrs } from "./published.ts";
import { answers, freePorts, newFolder, type Running, type Tools } from "./running.ts";

export const peerNames = [
  "fstream",
  "fstream-50",
  "fstream-350",
  "fstream-get",
  "fstream-http",
  "fstream-socket",
  "fstream-tls",
  "fstream-https",
  "C",
  "icecast",
  "icecast-tls",
  "nginx-rtmp",
  "srs",
  "srs-20",
  "srs-0",
  "mediamtx",
] as const;
export type PeerName = (typeof peerNames)[number];

/** How long those gather that are asked to or do so by default, milliseconds. */
export const gatherMs: Partial<Record<PeerName, number>> = {
  "fstream-50": 50,
  "fstream-350": 350,
  srs: 350,
  "srs-20": 20,
};

export interface PeerOptions {
  /** Whether Icecast gives joiners its default burst of 64 KiB. */
  readonly burst?: boolean;
}

/** Starts a peer, uses it, and stops it whatever comes of that. */
export async function withPeer<T>(
  name: PeerName,
  tools: Tools,
  options: PeerOptions,
  use: (server: Running) => Promise<T>,
): Promise<T> {
  const server = await startPeer(name, tools, options);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

export function startPeer(name: PeerName, tools: Tools, options: PeerOptions = {}): Promise<Running> {
  switch (name) {
    case "fstream":
    case "fstream-50":
    case "fstream-350":
    case "fstream-get":
    case "fstream-http":
    case "fstream-socket":
    case "fstream-tls":
    case "fstream-https":
      return startFstream(tools.fstream, ways[name]);
    case "C":
      return startFanout(tools.fanout);
    case "icecast":
    case "icecast-tls":
      return startIcecast(tools.icecast ?? "icecast2", name === "icecast-tls", options.burst === true);
    case "nginx-rtmp":
      return startNginx(tools.nginx);
    case "srs":
      return startSrs(tools.srs, undefined);
    case "srs-20":
      return startSrs(tools.srs, 20);
    case "srs-0":
      return startSrs(tools.srs, 0);
    case "mediamtx":
      return startMediamtx(tools.mediamtx);
    default:
      return name satisfies never;
  }
}

type Listener = "tcp" | "tls" | "http" | "https";

/** Where watchers come to fstream, and what they speak. */
interface Way {
  readonly listener: Listener;
  readonly kind: "fstream" | "http" | "websocket";
  readonly minDelay?: string;
}

const ways = {
  fstream: { listener: "tcp", kind: "fstream" },
  "fstream-50": { listener: "tcp", kind: "fstream", minDelay: "50ms" },
  "fstream-350": { listener: "tcp", kind: "fstream", minDelay: "350ms" },
  "fstream-get": { listener: "tcp", kind: "http" },
  "fstream-http": { listener: "http", kind: "http" },
  "fstream-socket": { listener: "http", kind: "websocket" },
  "fstream-tls": { listener: "tls", kind: "fstream" },
  "fstream-https": { listener: "https", kind: "http" },
} as const satisfies Partial<Record<PeerName, Way>>;

async function startFstream(binary: string, { listener, kind, minDelay }: Way): Promise<Running> {
  const cwd = newFolder();
  mkdirSync(join(cwd, "users"));
  writeFileSync(join(cwd, "users", "bench.toml"), 'password = "bench"\n');
  const stderr = join(cwd, "stderr");
  const flags = ["--listen", "127.0.0.1:0", "--max-waiting", "20000", "--max-channels-per-user", "2000"];
  if (minDelay !== undefined) flags.push("--min-delay", minDelay);
  if (listener !== "https") flags.push("--https-listen", "");
  if (listener !== "tcp") flags.push(`--${listener}-listen`, "127.0.0.1:0");
  const server = start([binary, "serve", ...flags], { cpu: serverCpu, cwd, stderr });
  const portOf = (name: Listener) =>
    until(`fstream serve to listen on ${name}`, 5000, () => {
      const text = existsSync(stderr) ? readFileSync(stderr, "utf8") : "";
      const port = new RegExp(`listening on ${name} \\S+:(\\d+)\\n`).exec(text)?.[1];
      return port === undefined ? undefined : Number(port);
    });
  return {
    pid: server.pid,
    port: await portOf(listener),
    broadcastPort: await portOf("tcp"),
    kind,
    broadcastKind: "fstream",
    path: "/watch/bench?wait=3600",
    tls: listener === "tls" || listener === "https",
    stop: () => stop(server),
  };
}

async function startFanout(binary: string): Promise<Running> {
  const stdout = join(newFolder(), "stdout");
  const server = start(["sh", "-c", `exec "$0" > "$1"`, binary, stdout], { cpu: serverCpu });
  const port = await until("the reference to listen", 5000, () => {
    const text = existsSync(stdout) ? readFileSync(stdout, "utf8") : "";
    return text.endsWith("\n") ? Number(text) : undefined;
  });
  return {
    pid: server.pid,
    port,
    broadcastPort: port,
    kind: "fstream",
    broadcastKind: "fstream",
    path: "/",
    tls: false,
    stop: () => stop(server),
  };
}

async function startIcecast(binary: string, tls: boolean, burst: boolean): Promise<Running> {
  const cwd = newFolder();
  // It gives up root's rights before it opens its log.
  chmodSync(folder, 0o755);
  chmodSync(cwd, 0o777);
  const [port, broadcastPort] = freePorts();
  const certificate = tls ? makeCertificate(cwd) : undefined;
  const config = join(cwd, "icecast.xml");
  writeFileSync(config, icecastSettings({ cwd, port, broadcastPort, certificate, burst }));
  const server = start([binary, "-c", config], { cpu: serverCpu, cwd, stderr: join(cwd, "stderr") });
  await until("Icecast to answer", 10_000, () => answers(`http://127.0.0.1:${broadcastPort}/`));
  await until("Icecast to answer", 10_000, () => answers(`${tls ? "https" : "http"}://127.0.0.1:${port}/`));
  return {
    pid: server.pid,
    port,
    broadcastPort,
    kind: "http",
    broadcastKind: "http",
    path: "/live",
    tls,
    stop: () => stop(server),
  };
}

interface IcecastOptions {
  readonly cwd: string;
  readonly port: number;
  readonly broadcastPort: number;
  readonly certificate: string | undefined;
  readonly burst: boolean;
}

function icecastSettings({ cwd, port, broadcastPort, certificate, burst }: IcecastOptions): string {
  const owner =
    process.getuid?.() === 0 ? "<changeowner><user>nobody</user><group>nogroup</group></changeowner>" : "";
  return `<icecast>
  <limits>
    <clients>20000</clients><sources>2000</sources><queue-size>16777216</queue-size>
    <burst-on-connect>${burst ? 1 : 0}</burst-on-connect><burst-size>${burst ? 65536 : 0}</burst-size>
    <client-timeout>30</client-timeout><header-timeout>15</header-timeout><source-timeout>120</source-timeout>
  </limits>
  <authentication>
    <source-password>bench</source-password><admin-user>admin</admin-user><admin-password>bench</admin-password>
  </authentication>
  <hostname>localhost</hostname>
  ${icecastSocket(broadcastPort, false)}
  ${icecastSocket(port, certificate !== undefined)}
  <paths>
    <logdir>${cwd}</logdir><webroot>${cwd}</webroot><adminroot>${cwd}</adminroot>
    ${certificate === undefined ? "" : `<ssl-certificate>${certificate}</ssl-certificate>`}
  </paths>
  <logging><accesslog>-</accesslog><errorlog>error.log</errorlog><loglevel>1</loglevel></logging>
  <security><chroot>0</chroot>${owner}</security>
</icecast>
`;
}

function icecastSocket(port: number, tls: boolean): string {
  const ssl = tls ? "<ssl>1</ssl>" : "";
  return `<listen-socket><bind-address>127.0.0.1</bind-address><port>${port}</port>${ssl}</listen-socket>`;
}

/** A self-signed certificate and its key in one file. */
function makeCertificate(cwd: string): string {
  const path = join(cwd, "pair.pem");
  const key = join(cwd, "key.pem");
  const command =
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2";
  const made = Bun.spawnSync([...command.split(" "), "-keyout", key, "-out", path]);
  if (made.exitCode !== 0) throw new Error(`openssl req: ${made.stderr.toString()}`);
  writeFileSync(path, readFileSync(path, "utf8") + readFileSync(key, "utf8"));
  chmodSync(path, 0o644);
  return path;
}
