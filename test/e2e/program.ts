// Runs the real program, the binary where FSTREAM_BIN names it, and talks to its server by hand. Everything waits
// by polling to a generous deadline; nothing sleeps for luck.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileSink, Socket, SocketHandler } from "bun";
import {
  holdsNoSecret,
  isSecret,
  secretsOfCommand,
  secretsOfRequest,
  secretsOfUserFile,
} from "../secrets.ts";

/** The words of a command line that run the program. */
export const program: readonly string[] = process.env.FSTREAM_BIN
  ? [process.env.FSTREAM_BIN]
  : [process.execPath, join(import.meta.dir, "../../src/main.ts")];

/** What ends a server in order: SIGTERM, but Windows has none. */
const stopSignal = process.env.FSTREAM_STOP === "SIGINT" ? "SIGINT" : "SIGTERM";

/** How long anything may take before a test gives up, milliseconds. */
export const deadlineMs = 60_000;

type Maybe<T> = T | undefined | false | null;

/** Waits until `holds` gives something, and gives that. Throws when the deadline has passed. */
export async function until<T>(what: string, holds: () => Maybe<T> | Promise<Maybe<T>>): Promise<T> {
  const endMs = Date.now() + deadlineMs;
  for (;;) {
    const value = await holds();
    if (value !== undefined && value !== false && value !== null) return value;
    if (Date.now() > endMs) throw new Error(`not in time: ${what}`);
    await Bun.sleep(2);
  }
}

/** `count` bytes that look random and are the same each time for the same `seed`. */
export function noise(count: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(count / 4));
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, count);
}

export function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

/** A server's log without the times of its lines. */
export function untimed(log: string): string {
  return log.replaceAll(/^\d{4}-\d\d-\d\dT\S+ (?=fstream: )/gm, "");
}

/** A port of this machine that nothing listens on, as far as can be known. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

/** A running client, or server. */
export class Run {
  readonly process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #chunks: Uint8Array[] = [];
  readonly #done: Promise<unknown>;
  readonly #args: readonly string[];
  length = 0;
  stderr = "";

  /**
   * `under`: the words of a command that runs the program, which it is given behind them. `descriptors`: files of this process that it
   * gets too, from 3 on.
   */
  constructor(
    args: readonly string[],
    environment: Record<string, string> = {},
    under: readonly string[] = [],
    descriptors: readonly number[] = [],
  ) {
    this.#args = args;
    secretsOfCommand(args, environment);
    this.process = Bun.spawn([...under, ...program, ...args], {
      stdio: ["pipe", "pipe", "pipe", ...descriptors],
      cwd: tmpdir(),
      // No settings of the machine.
      env: { PATH: process.env.PATH ?? "", CONFIGURATION_DIRECTORY: "/nowhere", ...environment },
    });
    this.#done = Promise.all([this.#read(), this.#readWords()]);
  }

  /** What came on stdout so far. */
  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }

  get stdin(): FileSink {
    return this.process.stdin;
  }

  /** Writes to stdin and sees to it that it is on its way. */
  async send(bytes: Uint8Array | string): Promise<void> {
    await this.stdin.write(bytes);
    await this.stdin.flush();
  }

  /** Ends stdin. */
  async finish(bytes: Uint8Array | string = ""): Promise<void> {
    await this.send(bytes);
    await this.stdin.end();
  }

  /** The exit status, once both outputs are read to their ends. Rejects if it has said a secret. */
  async exit(): Promise<number> {
    await this.#done;
    // On stdout is what was asked for: a token, or a stream.
    if (this.#args.includes("token")) isSecret(Buffer.from(this.bytes).toString().trim());
    holdsNoSecret(this.#args.join(" "), this.stderr);
    return await this.process.exited;
  }

  /** What came of it, once it has ended: its status, and its outputs as text. */
  async outcome(): Promise<{ status: number; stdout: string; stderr: string }> {
    const status = await this.exit();
    return { status, stdout: Buffer.from(this.bytes).toString("latin1"), stderr: this.stderr };
  }

  async #read(): Promise<void> {
    for await (const chunk of this.process.stdout) {
      this.#chunks.push(chunk);
      this.length += chunk.length;
    }
  }

  async #readWords(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.process.stderr) this.stderr += decoder.decode(chunk, { stream: true });
  }
}

const defaultListeners = {
  listen: "127.0.0.1:0",
  tls_listen: "127.0.0.1:0",
  https_listen: "127.0.0.1:0",
};

export interface ServerOptions {
  readonly listeners?: Readonly<Record<string, string>>;
  /** TOML of its sections, besides the listeners. */
  readonly server?: string;
  readonly fstream?: string;
  readonly auth?: string;
  /** Files of its users folder. */
  readonly users?: Readonly<Record<string, string>>;
  /** Other files of its folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** See Run. */
  readonly environment?: Record<string, string>;
  readonly under?: readonly string[];
  readonly descriptors?: readonly number[];
}

const defaultUsers = { "fier.ini": "[DEFAULT]\npassword=123\n", "ann.toml": 'password = "abc"\n' };

/** A running server in a folder of its own, on ports of its own. */
export class TestServer {
  readonly folder: string;
  readonly run: Run;

  private constructor(folder: string, run: Run) {
    this.folder = folder;
    this.run = run;
  }

  /** Starts one and waits until it is ready. */
  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const folder = mkdtempSync(join(tmpdir(), "fstream-test-"));
    mkdirSync(join(folder, "users"));
    for (const [name, text] of Object.entries(options.users ?? defaultUsers)) {
      secretsOfUserFile(text);
      writeFileSync(join(folder, "users", name), text);
    }
    for (const [name, text] of Object.entries(options.files ?? {}))
      writeFileSync(join(folder, name), text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
    const listeners = Object.entries(options.listeners ?? defaultListeners)
      .map(([key, address]) => `${key} = "${address}"`)
      .join("\n");
    writeFileSync(
      join(folder, "fstream.toml"),
      `[server]\nlog_level = "debug"\n${listeners}\n${options.server ?? ""}\n[fstream]\n${options.fstream ?? ""}\n[auth]\n${options.auth ?? ""}\n`,
    );
    return await TestServer.#launch(folder, [], options);
  }

  static async #launch(
    folder: string,
    flags: readonly string[] = [],
    { environment, under, descriptors }: ServerOptions = {},
  ): Promise<TestServer> {
    const args = ["serve", "--config", join(folder, "fstream.toml"), ...flags];
    const run = new Run(args, environment, under, descriptors);
    const server = new TestServer(folder, run);
    await until("the server is ready", () => {
      if (run.process.exitCode !== null) throw new Error(`the server ended: ${run.stderr}`);
      return run.stderr.includes("fstream: ready\n");
    });
    return server;
  }

  /** The port of the listener of that name, as the server says it. */
  port(name: "tcp" | "tls" | "https" | "http"): number {
    const found = new RegExp(`listening on ${name} .*:(\\d+)\n`).exec(this.run.stderr);
    if (found === null) throw new Error(`no ${name} listener: ${this.run.stderr}`);
    return Number(found[1]);
  }

  get address(): string {
    return `127.0.0.1:${this.port("tcp")}`;
  }

  /** The certificate's fingerprint, as the server logs it. */
  get fingerprint(): string {
    return /--fingerprint (\S+)/.exec(this.run.stderr)?.[1] ?? "";
  }

  watch(environment: Record<string, string> = {}, ...flags: string[]): Run {
    return new Run([this.address, "watch", ...flags], { fserv_arg_user: "fier", ...environment });
  }

  broadcast(environment: Record<string, string> = {}, ...flags: string[]): Run {
    const login = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };
    return new Run([this.address, "broadcast", ...flags], { ...login, ...environment });
  }

  /** Any verb at this server. */
  call(verb: string, environment: Record<string, string> = {}, ...flags: string[]): Run {
    return new Run([this.address, verb, ...flags], environment);
  }

  dial(listener: "tcp" | "tls" | "http" | "https" = "tcp"): Promise<Peer> {
    return Peer.dial(this.port(listener), listener === "tls" || listener === "https");
  }

  /** Waits for a line of the server's log. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return until(`the server says ${pattern}`, () => pattern.exec(this.run.stderr));
  }

  /** Waits until so many watchers have come to the channel, in total. */
  async watched(channel: string, count: number): Promise<void> {
    const line = ` watches ${channel}\n`;
    await until(`${count} watch ${channel}`, () => this.run.stderr.split(line).length > count);
  }

  /** Resident memory, bytes, as Linux has it. */
  async memory(): Promise<number> {
    const status = await Bun.file(`/proc/${this.run.process.pid}/status`).text();
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  /** Stops it, and starts another in the same folder and on the same TCP port. */
  async restart(): Promise<TestServer> {
    const flags = ["--listen", this.address];
    await this.#end();
    return await TestServer.#launch(this.folder, flags);
  }

  /** Starts another in the same folder, once this one has been ended by its `run`. */
  async again(options: ServerOptions): Promise<TestServer> {
    return await TestServer.#launch(this.folder, [], options);
  }

  /** Ends it if it still runs, and removes its folder. Gives its exit status. */
  async stop(): Promise<number> {
    const status = await this.#end();
    rmSync(this.folder, { recursive: true, force: true });
    return status;
  }

  async #end(): Promise<number> {
    this.run.process.kill(stopSignal);
    return await this.run.exit();
  }
}

/** A watcher's `ok`, at the beginning of what it got: it has an id, another one each time. */
const okWithId = /^\0\0\0\x26\0ok,id=[0-9a-f]{32}/;
/** Its length, bytes. */
export const watcherOkBytes = 43;

/** What a watcher that asked for replies got of the stream. */
export function behindOk(text: string): string {
  if (!okWithId.test(text)) throw new Error(`no ok: ${text.slice(0, 100)}`);
  return text.slice(watcherOkBytes);
}

/** A connection by hand. */
export class Peer {
  #socket: Socket | undefined;
  readonly #chunks: Uint8Array[] = [];
  readonly #unsent: Uint8Array[] = [];
  length = 0;
  /** How the other side ended it. */
  end: "open" | "fin" | "reset" = "open";

  /** With TLS it resolves once the handshake is done; any certificate will do. */
  static async dial(port: number, secure = false, hostname = "127.0.0.1"): Promise<Peer> {
    const peer = new Peer();
    const shaken = Promise.withResolvers<void>();
    const socket: SocketHandler<undefined> = {
      data: (_, bytes) => peer.#took(bytes),
      end: () => peer.#ended("fin"),
      close: (_, error) => peer.#ended(error === undefined ? "fin" : "reset"),
      drain: () => peer.#flush(),
      error: () => {},
      handshake: () => shaken.resolve(),
    };
    const tls = secure ? { tls: { rejectUnauthorized: false } } : {};
    try {
      peer.#socket = await Bun.connect({ hostname, port, allowHalfOpen: true, ...tls, socket });
      if (secure) await shaken.promise;
    } catch (error) {
      // The server may have reset it before Bun knows of it.
      if (!(error instanceof Error && "code" in error && error.code === "ECONNRESET")) throw error;
      peer.#ended("reset");
    }
    return peer;
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return Buffer.from(this.bytes).toString("latin1");
  }

  send(bytes: Uint8Array | string): this {
    this.#unsent.push(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
    this.#flush();
    return this;
  }

  /** A request as the protocol has it, behind a preamble, with the first of the stream in the same piece. */
  request(text: string, preamble = "\n\n", media: Uint8Array | string = ""): this {
    secretsOfRequest(text);
    const body = Buffer.from(text);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length);
    return this.send(Buffer.concat([Buffer.from(preamble), head, body, Buffer.from(media)]));
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** A FIN. */
  finish(): void {
    this.#socket?.shutdown();
  }

  reset(): void {
    this.#socket?.terminate();
  }

  async received(length: number): Promise<Uint8Array> {
    await until(`${length} bytes come`, () => this.length >= length);
    return this.bytes;
  }

  /** Waits until the kernel has taken all that was to be sent. */
  async sent(): Promise<void> {
    await until("all is sent", () => this.#unsent.length === 0);
  }

  /** Waits until the server has ended it, and ends it too. */
  async ended(): Promise<"fin" | "reset"> {
    const end = await until("the connection ends", () => (this.end === "open" ? undefined : this.end));
    this.finish();
    return end;
  }

  #took(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.length += bytes.length;
  }

  #ended(end: "fin" | "reset"): void {
    if (this.end === "open") this.end = end;
  }

  #flush(): void {
    while (this.#unsent.length > 0) {
      const [first] = this.#unsent;
      const taken = this.#socket?.write(first, 0, first.length) ?? 0;
      if (taken < 0) return;
      if (taken < first.length) {
        this.#unsent[0] = first.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
  }
}
