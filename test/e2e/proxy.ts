// Proxies in front of a server, run with what docs/proxies.md says: its blocks as they stand there, but for addresses and paths.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificates } from "../certificates.ts";
import { documentOf } from "./document.ts";
import { Peer, until } from "./program.ts";

/** A block of the page: see document.ts. */
export const { block } = documentOf("proxies.md");

/** nginx's module for TCP where Debian has it; elsewhere it may be built in. */
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so";

export const hasCaddy = Bun.which("caddy") !== null;
export const hasNginx = Bun.which("nginx") !== null;
export const hasNginxStream =
  hasNginx &&
  (existsSync(streamModule) ||
    /--with-stream\b(?!=|_)/.test(Bun.spawnSync(["nginx", "-V"]).stderr.toString()));
const certificatePath = "/etc/letsencrypt/live/relay.example/fullchain.pem";
const keyPath = "/etc/letsencrypt/live/relay.example/privkey.pem";

/** A running proxy in a folder of its own. */
export class Proxy {
  readonly #folder: string;
  readonly #process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  stderr = "";

  private constructor(folder: string, command: readonly string[]) {
    this.#folder = folder;
    this.#process = Bun.spawn([...command], {
      cwd: folder,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      env: { PATH: process.env.PATH ?? "", HOME: folder },
    });
    void this.#read();
  }

  /** Runs one, and waits until it listens on `port`. */
  static start(folder: string, command: readonly string[], port: number): Promise<Proxy> {
    return new Proxy(folder, command).#listening(port);
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#process.exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #listening(port: number): Promise<this> {
    await until("the proxy listens", async () => {
      if (this.#process.exitCode !== null) throw new Error(`the proxy has ended: ${this.stderr}`);
      const peer = await Peer.dial(port).catch(() => undefined);
      peer?.reset();
      return peer;
    });
    return this;
  }

  async #read(): Promise<void> {
    for await (const bytes of this.#process.stderr) this.stderr += Buffer.from(bytes).toString();
  }
}

/** nginx in front of the server's HTTP, over TLS on `port`; with `raw` also in front of its protocol. */
export function startNginx(httpPort: number, port: number, raw?: RawPorts): Promise<Proxy> {
  const folder = newFolder();
  const pair = { [certificatePath]: join(folder, "cert.pem"), [keyPath]: join(folder, "key.pem") };
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  const server = block("nginx", "map", {
    "listen 443": `listen 127.0.0.1:${port}`,
    "127.0.0.1:8080": `127.0.0.1:${httpPort}`,
    ...pair,
  });
  const stream =
    raw &&
    block("nginx", "stream", {
      "listen 61920": `listen 127.0.0.1:${raw.plain}`,
      "listen 61922": `listen 127.0.0.1:${raw.secure}`,
      "127.0.0.1:61930": `127.0.0.1:${raw.server}`,
      ...pair,
    });
  const lines = [
    ...(process.getuid?.() === 0 ? ["user root;"] : []),
    ...(existsSync(streamModule) ? [`load_module ${streamModule};`] : []),
    "daemon off;",
    "error_log stderr;",
    `pid ${join(folder, "nginx.pid")};`,
    "worker_processes 1;",
    block("nginx", "worker_rlimit_nofile", {}),
    `http { access_log off; ${temporary.join(" ")}\n${server}}`,
    stream ?? "",
  ];
  writeFileSync(join(folder, "nginx.conf"), lines.join("\n"));
  return Proxy.start(folder, ["nginx", "-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr"], port);
}

/** Caddy in front of the server's HTTP, over TLS on `port`. */
export function startCaddy(httpPort: number, port: number): Promise<Proxy> {
  const folder = newFolder();
  const site = block("caddyfile", "relay.example", {
    "relay.example {": `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls cert.pem key.pem`,
    "127.0.0.1:8080": `127.0.0.1:${httpPort}`,
  });
  const options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n";
  writeFileSync(join(folder, "Caddyfile"), options + site);
  return Proxy.start(folder, ["caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"], port);
}

/** The ports of the protocol: the proxy's, without and with TLS, and the server's. */
export interface RawPorts {
  readonly plain: number;
  readonly secure: number;
  readonly server: number;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fstream-proxy-"));
  writeFileSync(join(folder, "cert.pem"), certificates.loopback.cert);
  writeFileSync(join(folder, "key.pem"), certificates.loopback.key);
  return folder;
}
