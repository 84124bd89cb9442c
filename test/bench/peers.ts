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
//   nginx-rtmp     Debian's module for nginx, of an FLV only: ffmpeg publishes it by RTMP, and watchers take RTMP
//
// Icecast sends no burst to those who come, unless it is asked to: a burst would be counted as delay.

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folder, loadCpu, serverCpu, start, stop, until } from "./process.ts";

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
] as const;
export type PeerName = (typeof peerNames)[number];

/** A server that listens. */
export interface Running {
  readonly pid: number;
  readonly port: number;
  readonly broadcastPort: number;
  /** What watchers speak, and what the broadcaster does; the path is for HTTP. */
  readonly kind: "fstream" | "http" | "websocket" | "rtmp";
  readonly broadcastKind: "fstream" | "http" | "rtmp";
  readonly path: string;
  readonly tls: boolean;
  stop(): Promise<void>;
}

export interface PeerOptions {
  /** Whether Icecast gives joiners its default burst of 64 KiB. */
  readonly burst?: boolean;
  /** What is to be published by RTMP. */
  readonly flv?: string;
}

/** What is installed and built here, by path. */
export interface Tools {
  readonly fstream: string;
  readonly fanout: string;
  readonly load: string;
  readonly icecast: string | undefined;
  readonly nginx: { readonly binary: string; readonly rtmpModule: string } | undefined;
}

let made = 0;

/** A new folder in this run's. */
export function newFolder(): string {
  const path = join(folder, `${made++}`);
  mkdirSync(path);
  return path;
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
      return startNginx(tools.nginx, options.flv);
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

async function startNginx(nginx: Tools["nginx"], flv: string | undefined): Promise<Running> {
  if (nginx === undefined || flv === undefined) throw new Error("nginx-rtmp needs nginx and an FLV");
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
  const source = `ffmpeg -v quiet -re -i - -c copy -f flv rtmp://127.0.0.1:${port}/live/bench`;
  const publisher = start(["sh", "-c", `exec ${source} < "$0"`, flv], { cpu: loadCpu });
  const stopBoth = async () => {
    await stop(server);
    await stop(publisher);
  };
  return {
    pid: server.pid,
    port,
    broadcastPort: port,
    kind: "rtmp",
    broadcastKind: "rtmp",
    path: "/",
    tls: false,
    stop: stopBoth,
  };
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

/** Two ports that are free at the moment, for a server that can't be asked to choose one itself. */
export function freePorts(): [number, number] {
  const listeners = [0, 0].map((port) => Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }));
  const ports = listeners.map((listener) => listener.port);
  for (const listener of listeners) listener.stop(true);
  return [ports[0], ports[1]];
}

/** Whether an HTTP server answers, whatever it says: Icecast listens before it can. */
async function answers(url: string): Promise<true | undefined> {
  try {
    await fetch(url, { tls: { rejectUnauthorized: false } });
    return true;
  } catch {
    return undefined;
  }
}

/** Resolves when a program listens on the port; to connect in order to see it can be to take a place. */
export async function listens(port: number): Promise<void> {
  await until(`a server to listen on ${port}`, 5000, () =>
    Bun.spawnSync(["ss", "-tlnH", `( sport = :${port} )`]).stdout.length > 0 ? true : undefined,
  );
}
