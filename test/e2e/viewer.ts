// Watchers of the matrix, and broadcasts that are paced by them.

import { type Run, type TestServer, until } from "./program.ts";

/** A watcher by hand that knows when its first byte came. */
export class Viewer {
  readonly #chunks: Uint8Array[] = [];
  readonly #beganMs = performance.now();
  length = 0;
  firstMs = Number.NaN;
  ended = false;
  close = () => {};

  static async open(server: TestServer, channel: string, more: string): Promise<Viewer> {
    const viewer = new Viewer();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: server.port("tcp"),
      allowHalfOpen: true,
      socket: {
        data: (_, bytes) => viewer.#took(bytes),
        end: () => {
          viewer.#over();
          viewer.close();
        },
        close: () => viewer.#over(),
        error: () => undefined,
      },
    });
    viewer.close = () => socket.terminate();
    const words = request(`watch,user=fier,channel=${channel}${more}`);
    socket.write(words, 0, words.length);
    return viewer;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  #took(bytes: Uint8Array): void {
    if (this.length === 0) this.firstMs = performance.now() - this.#beganMs;
    this.#chunks.push(bytes);
    this.length += bytes.length;
  }

  #over(): void {
    this.ended = true;
  }
}

export function request(text: string): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length);
  return Buffer.concat([Buffer.from("\n\n"), head, Buffer.from(text)]);
}

/** A broadcast whose bytes go out no faster than they arrive at a watcher that was there before it. */
export class Feed {
  readonly #client: Run;
  readonly #control: Viewer;
  readonly #before: number;
  sent = 0;

  constructor(client: Run, control: Viewer) {
    this.#client = client;
    this.#control = control;
    this.#before = control.length;
  }

  /** Sends `bytes` up to `end`, in pieces as they come; `look` is called behind each. */
  async to(bytes: Uint8Array, end: number, look: () => void = () => {}): Promise<void> {
    for (let count = 0; this.sent < end; count++) {
      const next = Math.min(end, this.sent + 1 + ((count * 7919) % 24_000));
      await this.#client.send(bytes.subarray(this.sent, next));
      this.sent = next;
      if (this.arrived < this.sent - 60_000) await until("the stream arrives", () => this.arrived >= next);
      look();
    }
    await until("the stream arrives", () => this.arrived >= this.sent);
    look();
  }

  get arrived(): number {
    return this.#control.length - this.#before;
  }
}
