// Those who share a server with an attacker: twenty watchers of a stream of 4 Mbit/s and its broadcaster, on connections that are there
// before, and one who asks for a token twice a second, each time on a new connection over TLS.

import type { Socket } from "bun";
import { until } from "./process.ts";

const watchers = 20;
/** 10 kB each 20 ms: 4 Mbit/s. */
const blockBytes = 10_000;
const blockEveryMs = 20;
const tokenEveryMs = 500;

/** Where the server is reached. */
export interface Attacked {
  readonly host: string;
  readonly tcp: number;
  readonly https: number;
}

/** Delays in milliseconds, as a table has them. */
class Delays {
  #values: number[] = [];

  add(ms: number): void {
    this.#values.push(ms);
  }

  /** Median, 99th percentile and most, and starts anew. */
  take(): string {
    const sorted = this.#values.toSorted((a, b) => a - b);
    this.#values = [];
    const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN).toFixed(1);
    return `${at(0.5)} / ${at(0.99)} / ${at(1)}`;
  }
}

/** What the others notice. */
export class Others {
  readonly tokens = new Delays();
  readonly blocks = new Delays();
  readonly #at: Attacked;
  readonly #sockets: Socket[] = [];
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  asked = 0;
  failures: string[] = [];
  longestMs = 0;
  #ending = false;
  #sent = 0;
  readonly #got: number[] = [];

  constructor(at: Attacked) {
    this.#at = at;
  }

  async begin(): Promise<void> {
    const broadcaster = await this.#dial(() => {});
    request(broadcaster, `broadcast,user=bench,user_password=bench,bufsize=${blockBytes}`);
    const block = new Uint8Array(blockBytes);
    const clock = new DataView(block.buffer);
    this.#timers.push(
      setInterval(() => {
        clock.setFloat64(0, performance.now());
        if (broadcaster.write(block, 0, blockBytes) !== blockBytes)
          this.failures.push("the broadcaster was held up");
        this.#sent++;
      }, blockEveryMs),
    );
    for (let i = 0; i < watchers; i++) await this.#watch(i);
    this.#timers.push(setInterval(() => void this.#ask(), tokenEveryMs));
  }

  #closed(): void {
    if (!this.#ending) this.failures.push("a connection was closed");
  }

  /** Stops, and looks whether all that was sent has come. */
  async end(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Bun.sleep(1000);
    const least = Math.min(...this.#got);
    // Each began at some block, and has had all of them since.
    if (least < this.#sent - 2 * watchers)
      this.failures.push(`a watcher got ${least} of ${this.#sent} blocks`);
    this.#ending = true;
    for (const socket of this.#sockets) socket.terminate();
  }

  async #dial(data: (bytes: Uint8Array) => void): Promise<Socket> {
    const socket = await Bun.connect({
      hostname: this.#at.host,
      port: this.#at.tcp,
      socket: {
        data: (_, bytes) => data(bytes),
        error() {},
        close: () => this.#closed(),
      },
    });
    this.#sockets.push(socket);
    return socket;
  }

  async #watch(index: number): Promise<void> {
    const head = Buffer.alloc(8);
    let at = 0;
    let last = 0;
    this.#got[index] = 0;
    const watcher = await this.#dial((bytes) => {
      const nowMs = performance.now();
      for (let i = 0; i < bytes.length; ) {
        const within = at % blockBytes;
        if (within < 8) {
          head[within] = bytes[i++];
          at++;
          if (within !== 7) continue;
          const sentMs = head.readDoubleBE();
          if (sentMs < last) this.failures.push("a watcher's bytes are out of order");
          last = sentMs;
          this.blocks.add(nowMs - sentMs);
          this.longestMs = Math.max(this.longestMs, nowMs - sentMs);
          this.#got[index]++;
          continue;
        }
        const more = Math.min(bytes.length - i, blockBytes - within);
        i += more;
        at += more;
      }
    });
    request(watcher, "watch,user=bench,wait=10");
    await until("the watcher's first block", 10_000, () => (this.#got[index] > 0 ? true : undefined));
  }

  async #ask(): Promise<void> {
    const sinceMs = performance.now();
    this.asked++;
    try {
      const answer = await fetch(`https://${this.#at.host}:${this.#at.https}/token`, {
        method: "POST",
        headers: { Authorization: `Basic ${btoa("bench:bench")}` },
        tls: { rejectUnauthorized: false },
        keepalive: false,
      });
      if (!answer.ok) this.failures.push(`a token was refused: ${answer.status} ${await answer.text()}`);
    } catch (error) {
      this.failures.push(`no token: ${(error as Error).message}`);
    }
    const ms = performance.now() - sinceMs;
    this.tokens.add(ms);
    this.longestMs = Math.max(this.longestMs, ms);
  }
}

function request(socket: Socket, text: string): void {
  const bytes = Buffer.alloc(7 + text.length);
  bytes.write("\n\n");
  bytes.writeUInt32BE(text.length, 2);
  bytes.write(text, 7);
  socket.write(bytes, 0, bytes.length);
}
