// A live stream of 4 Mbit/s through a real server, with watchers over TCP, TLS, HTTP and HTTPS, all on loopback: each byte that comes is
// compared with the one that was sent.

import type { Socket } from "bun";
import { encodeRequest } from "../../src/protocol/request.ts";
import { until } from "../bench/process.ts";
import type { Ports } from "./attacker.ts";
import type { Login } from "./requests.ts";

/** Whose it is. */
export const broadcaster: Login = { user: "live", password: "never-said" };

/** 4 Mbit/s. */
const pieceBytes = 10_000;
const pieceMs = 20;
/** What it is made of, again and again; a prime, so that no loss of whole pieces goes unseen. */
const pattern = Buffer.alloc(1_048_573);
for (let i = 0, state = 1; i < pattern.length; i++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
  pattern[i] = state >>> 16;
}

function patternAt(offset: number, length: number): Buffer {
  const from = offset % pattern.length;
  const first = pattern.subarray(from, from + length);
  return first.length === length ? first : Buffer.concat([first, pattern.subarray(0, length - first.length)]);
}

export class LiveStream {
  readonly #ports: Ports;
  readonly #failures: string[];
  readonly #got = new Map<string, number>();
  #broadcaster: Socket | undefined;
  #sent = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lastMs = 0;
  longestMs = 0;
  #ending = false;

  /** What is wrong is added to `failures`. */
  constructor(ports: Ports, failures: string[]) {
    this.#ports = ports;
    this.#failures = failures;
  }

  async begin(): Promise<void> {
    const ports = this.#ports;
    const request = encodeRequest(
      "watch",
      Object.entries({ user: broadcaster.user, channel: "live", wait: "30" }),
    );
    const http = Buffer.from(
      `GET /watch/${broadcaster.user}/live?wait=30 HTTP/1.1\r\nHost: relay.example\r\n\r\n`,
    );
    await Promise.all([
      this.#watch("TCP", ports.tcp, request, false),
      this.#watch("TLS", ports.tls, request, true),
      this.#watch("HTTP", ports.http, http, false),
      this.#watch("HTTPS", ports.https, http, true),
    ]);
    await Bun.sleep(500);
    this.#broadcaster = await this.#dial(ports.tcp, false, () => {});
    const { user, password } = broadcaster;
    const fields = { user, user_password: password, channel: "live" };
    const asked = encodeRequest("broadcast", Object.entries(fields));
    this.#broadcaster.write(asked, 0, asked.length);
    this.#timer = setInterval(() => this.#send(), pieceMs);
    await until("the stream to be seen", 10_000, () => (this.#got.size === 4 ? true : undefined));
  }

  #send(): void {
    const piece = patternAt(this.#sent, pieceBytes);
    const taken = this.#broadcaster?.write(piece, 0, pieceBytes) ?? 0;
    if (taken < 0) this.#failures.push("the broadcaster's connection is gone");
    else this.#sent += taken;
  }

  async #dial(port: number, secure: boolean, data: (bytes: Buffer) => void): Promise<Socket> {
    const tls = secure ? { tls: { rejectUnauthorized: false } } : {};
    const shaken = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      allowHalfOpen: true,
      ...tls,
      socket: {
        data: (_, bytes) => data(bytes),
        error() {},
        handshake: () => shaken.resolve(),
        close: () => {
          if (!this.#ending) this.#failures.push("a connection of the live stream was closed");
        },
      },
    });
    if (secure) await shaken.promise;
    return socket;
  }

  async #watch(name: string, port: number, request: Uint8Array, secure: boolean): Promise<void> {
    let at = 0;
    let isBody = !name.startsWith("HTTP");
    let head = Buffer.alloc(0);
    const watcher = await this.#dial(port, secure, (bytes) => {
      let stream = bytes;
      if (!isBody) {
        head = Buffer.concat([head, bytes]);
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) return;
        isBody = true;
        stream = head.subarray(end + 4);
      }
      if (stream.length === 0) return;
      if (stream.compare(patternAt(at, stream.length)) !== 0) {
        this.#failures.push(`${name}: other bytes came than were sent, from ${at} on`);
        this.#ending = true;
        watcher.terminate();
      }
      at += stream.length;
      this.#got.set(name, at);
      const nowMs = performance.now();
      if (this.#lastMs > 0) this.longestMs = Math.max(this.longestMs, nowMs - this.#lastMs);
      this.#lastMs = nowMs;
    });
    watcher.write(request, 0, request.length);
  }

  /** Ends it, and looks whether all that was sent has come. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#ending = true;
    const all = () => ([...this.#got.values()].every((got) => got === this.#sent) ? true : undefined);
    await until("the last bytes", 10_000, all).catch(() => undefined);
    for (const [name, got] of this.#got)
      if (got !== this.#sent) this.#failures.push(`${name}: ${got} of ${this.#sent} bytes came`);
    this.#broadcaster?.shutdown();
    console.log(
      `the live stream: ${this.#sent} bytes sent, each watcher got ${[...this.#got].map(([name, got]) => `${name} ${got}`).join(", ")}; ` +
        `longest time without any: ${this.longestMs.toFixed(0)} ms`,
    );
  }
}
