// Watchers of the matrix, and broadcasts that are paced by them. They ask in the protocol, or in HTTP: then what they have got is
// what came behind the response's head.

import { type Run, type TestServer, until } from "./program.ts";

/** How watchers ask: in the protocol, by GET on its port, or by GET over TLS on the port for HTTPS. */
export const ways = ["tcp", "http", "https"] as const;
export type Way = (typeof ways)[number];

/** The port where watchers come that ask in this way. */
export function portOf(server: TestServer, way: Way): number {
  return server.port(way === "https" ? "https" : "tcp");
}

/** A watcher by hand that knows when its first byte came. */
export class Viewer {
  readonly #chunks: Uint8Array[] = [];
  /** What has come of the response's head; undefined once it is over. */
  #head: Buffer | undefined;
  readonly #beganMs = performance.now();
  length = 0;
  firstMs = Number.NaN;
  ended = false;
  close = () => {};

  /** `fields`: as `watchRequest`. */
  static async open(server: TestServer, channel: string, fields: string, way: Way): Promise<Viewer> {
    const viewer = new Viewer();
    if (way !== "tcp") viewer.#head = Buffer.alloc(0);
    const shaken = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: portOf(server, way),
      allowHalfOpen: true,
      ...(way === "https" ? { tls: { rejectUnauthorized: false } } : {}),
      socket: {
        data: (_, bytes) => viewer.#took(bytes),
        end: () => {
          viewer.#over();
          viewer.close();
        },
        close: () => viewer.#over(),
        error: () => undefined,
        handshake: () => shaken.resolve(),
      },
    });
    if (way === "https") await shaken.promise;
    viewer.close = () => socket.terminate();
    const words = watchRequest(channel, fields, way);
    socket.write(words, 0, words.length);
    return viewer;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  #took(came: Uint8Array): void {
    const bytes = this.#head === undefined ? came : this.#behindHead(this.#head, came);
    if (bytes.length === 0) return;
    if (this.length === 0) this.firstMs = performance.now() - this.#beganMs;
    this.#chunks.push(bytes);
    this.length += bytes.length;
  }

  #behindHead(head: Buffer, came: Uint8Array): Uint8Array {
    const all = Buffer.concat([head, came]);
    const rest = behindHead(all);
    this.#head = rest === undefined ? all : undefined;
    return rest ?? Buffer.alloc(0);
  }

  #over(): void {
    this.ended = true;
  }
}

/** What follows a response's head; undefined where that is not over. Throws where it is a refusal. */
export function behindHead(response: Buffer): Buffer | undefined {
  const end = response.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = response.toString("latin1", 0, end);
  if (!head.startsWith("HTTP/1.1 200 ")) throw new Error(head);
  return response.subarray(end + 4);
}

/** What a watcher asks with; `fields` such as "wait=60,start=next". */
export function watchRequest(channel: string, fields: string, way: Way): Uint8Array {
  if (way === "tcp") return request(`watch,user=fier,channel=${channel}${fields && `,${fields}`}`);
  const target = `/watch/fier/${encodeURIComponent(channel)}?${fields.replaceAll(",", "&")}`;
  return Buffer.from(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
}

function request(text: string): Uint8Array {
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
