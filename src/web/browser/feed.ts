// A channel's stream over a WebSocket: one request as text, then what the stream is as text, then its bytes. One feed is one
// connection; to go on after its end takes another.

import { type ChannelName, pathOf } from "./channel.ts";
import type { Login } from "./login.ts";

/** What a stream is, as the server says when it begins. */
export interface StreamInfo {
  /** As src/media names it; empty if unknown. */
  readonly container: string;
  readonly media_type: string;
  /** As ffmpeg names them. */
  readonly codecs: readonly string[];
  readonly width?: number;
  readonly height?: number;
}

/** How a feed ended: in order, refused or cut with a reason, without a word, or it could not be opened at all. */
export type End =
  | { readonly type: "end"; readonly reason: string }
  | { readonly type: "error"; readonly code: string; readonly message: string }
  | { readonly type: "lost" }
  | { readonly type: "unreachable" };

export interface FeedListener {
  begins(info: StreamInfo): void;
  took(bytes: Uint8Array<ArrayBuffer>): void;
  /** Once, and nothing after it. */
  over(end: End): void;
}

type Message = ({ readonly type: "ok" } & StreamInfo) | Exclude<End, { type: "lost" | "unreachable" }>;

/** What is given to be let in, by the keys of the protocol. */
export interface Credentials extends Partial<Login> {
  readonly channel_password?: string;
}

/** How long a connection may take to open, milliseconds. */
const openTimeoutMs = 10_000;

export class Feed {
  readonly #socket: WebSocket;
  readonly #listener: FeedListener;
  readonly #timer: number;
  #isOpen = false;
  #isOver = false;

  constructor(name: ChannelName, credentials: Credentials, listener: FeedListener) {
    this.#listener = listener;
    this.#socket = new WebSocket(pathOf("watch", name));
    this.#socket.binaryType = "arraybuffer";
    this.#timer = setTimeout(() => this.#over({ type: "unreachable" }), openTimeoutMs);
    this.#socket.addEventListener("open", () => {
      clearTimeout(this.#timer);
      this.#isOpen = true;
      this.#socket.send(JSON.stringify(credentials));
    });
    this.#socket.addEventListener("message", ({ data }) => {
      if (this.#isOver) return;
      if (typeof data === "string") this.#told(JSON.parse(data) as Message);
      else this.#listener.took(new Uint8Array(data as ArrayBuffer));
    });
    this.#socket.addEventListener("close", () => this.#over({ type: this.#isOpen ? "lost" : "unreachable" }));
  }

  /** Ends it without a word to the listener. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #told(message: Message): void {
    if (message.type === "ok") this.#listener.begins(message);
    else if (message.type === "end" || message.type === "error") this.#over(message);
  }

  #over(end: End): void {
    if (this.#isOver) return;
    this.close();
    this.#listener.over(end);
  }
}
