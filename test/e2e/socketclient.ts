// A WebSocket of another implementation than ours, and what comes on it.

import { until } from "./program.ts";

/** A client, and what came to it; any certificate will do. */
export class SocketClient {
  readonly socket: WebSocket;
  readonly texts: Record<string, unknown>[] = [];
  readonly #chunks: Uint8Array[] = [];
  length = 0;
  closed: CloseEvent | undefined;
  isOpen = false;

  constructor(url: string, headers: Record<string, string> = {}) {
    const options = { headers, tls: { rejectUnauthorized: false } };
    this.socket = new WebSocket(url, options as unknown as string);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => {
      this.isOpen = true;
    });
    this.socket.addEventListener("close", (event) => {
      this.closed = event;
    });
    this.socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") {
        this.texts.push(JSON.parse(data) as Record<string, unknown>);
        return;
      }
      const bytes = new Uint8Array(data as ArrayBuffer);
      this.#chunks.push(bytes);
      this.length += bytes.length;
    });
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }

  /** Says its first message once it is open. */
  async begin(first: object): Promise<this> {
    await until("the WebSocket opens", () => this.isOpen);
    this.socket.send(JSON.stringify(first));
    return this;
  }

  /** Its first text. */
  answer(): Promise<Record<string, unknown>> {
    return until("an answer comes", () => this.texts[0]);
  }

  /** How it was closed: the code, and whether in order. */
  async end(): Promise<[code: number, wasClean: boolean]> {
    const { code, wasClean } = await until("the WebSocket closes", () => this.closed);
    return [code, wasClean];
  }
}
