// One broadcast from a tab: what is captured goes through a recorder and a WebSocket to the server. A connection that breaks is
// made again, with a recorder that begins again, as a stream can only be joined with its header; the server keeps the watchers
// for a while. The same is done when the connection is too slow, with a lower rate: but first all that was recorded goes out, as
// what follows could not be decoded without it.
//
//   connecting --> live <--> broken (tries again)
//        '----------'----------'----> over: ended here, refused, replaced

import { record } from "./capture.ts";
import { type ChannelName, pathOf } from "./channel.ts";
import { Uplink } from "./uplink.ts";

export interface Login {
  readonly user_password?: string;
  /** Serves once: a connection that breaks can't be made again with it. */
  readonly token?: string;
  readonly channel_password?: string;
}

export type BroadcastState =
  | { readonly type: "connecting" | "live" | "ending" }
  | { readonly type: "broken"; readonly sinceMs: number }
  /** `code`: why, unless it was ended here. */
  | { readonly type: "over"; readonly code?: string; readonly message: string };

export interface BroadcastListener {
  changed(state: BroadcastState): void;
  /** The rate was lowered to so many bits a second. */
  slower(bitrate: number): void;
}

/** What a broadcast is made of. */
export interface Recording {
  readonly stream: MediaStream;
  readonly type: string;
  /** Bits a second that are wanted. */
  readonly bitrate: number;
}

type Message =
  | { readonly type: "ok" }
  | { readonly type: "status"; readonly watchers: number; readonly bytes: number }
  | { readonly type: "end"; readonly bytes: number }
  | { readonly type: "error"; readonly code: string; readonly message: string };

/** The largest message: after a pause a recorder gives as much as 50 MB at once. */
const maxMessageBytes = 64 * 1024;
const checkMs = 250;
const retryMs = 1000;
/** Without the server's word once a second for so long, a connection is taken for dead. */
const silenceMs = 8000;
const openMs = 6000;

export class Broadcasting {
  readonly #name: ChannelName;
  readonly #login: Login;
  readonly #recording: Recording;
  readonly #listener: BroadcastListener;
  readonly #uplink: Uplink;
  readonly #timer: number;
  #state: BroadcastState = { type: "connecting" };
  #socket: WebSocket | undefined;
  #recorder: MediaRecorder | undefined;
  /** Pieces are read one after the other, so that they go out in their order. */
  #order: Promise<void> = Promise.resolve();
  #heardAtMs = 0;
  #wasLive = false;
  /** What waits is to go out before anything else is recorded. */
  #isDraining = false;
  /** Bytes handed to the network, over all connections. */
  sentBytes = 0;
  watchers = 0;

  constructor(name: ChannelName, login: Login, recording: Recording, listener: BroadcastListener) {
    this.#name = name;
    this.#login = login;
    this.#recording = recording;
    this.#listener = listener;
    this.#uplink = new Uplink(recording.bitrate, recording.type.startsWith("video") ? "video" : "audio");
    this.#timer = setInterval(() => this.#check(), checkMs);
    this.#connect();
  }

  /** Bits a second that the recorder is asked for. */
  get bitrate(): number {
    return this.#uplink.bitrate;
  }

  /** Bytes that the network has not taken yet. */
  get waitingBytes(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Ends the broadcast in order: what is recorded goes out, then the server is told. */
  end(): void {
    if (this.#state.type === "over" || this.#state.type === "ending") return;
    if (this.#state.type !== "live") return this.#over({ type: "over", message: "The broadcast has ended." });
    this.#change({ type: "ending" });
    const recorder = this.#recorder;
    const socket = this.#socket;
    recorder?.addEventListener("stop", () => {
      this.#order = this.#order.then(() => {
        if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "end" }));
      });
    });
    if (recorder?.state !== "inactive") recorder?.stop();
  }

  #connect(): void {
    const socket = new WebSocket(pathOf("broadcast", this.#name));
    this.#socket = socket;
    this.#heardAtMs = performance.now() + openMs - silenceMs;
    socket.addEventListener("open", () => {
      this.#heardAtMs = performance.now();
      socket.send(JSON.stringify(this.#login));
    });
    socket.addEventListener("message", ({ data }) => {
      if (this.#socket === socket) this.#told(JSON.parse(String(data)) as Message);
    });
    socket.addEventListener("close", () => {
      if (this.#socket === socket) this.#lost();
    });
  }

  #told(message: Message): void {
    this.#heardAtMs = performance.now();
    switch (message.type) {
      case "ok":
        this.#wasLive = true;
        this.#change({ type: "live" });
        return this.#record();
      case "status":
        this.watchers = message.watchers;
        return;
      case "end":
        return this.#over({ type: "over", message: "The broadcast has ended. The server has all of it." });
      case "error":
        return this.#refused(message.code, message.message);
      default:
        message satisfies never;
    }
  }

  #refused(code: string, message: string): void {
    const isPassing = code === "busy" || code === "limit" || code === "shutting_down";
    if (isPassing && this.#wasLive && this.#login.token === undefined) return this.#lost();
    this.#over({ type: "over", code, message });
  }

  #record(): void {
    const socket = this.#socket;
    const { stream, type } = this.#recording;
    this.#recorder = record(stream, type, this.#uplink.bitrate, (piece) => {
      this.#order = this.#order.then(async () => {
        const bytes = await piece.arrayBuffer();
        if (socket !== undefined) this.#send(socket, bytes);
      });
    });
  }

  #send(socket: WebSocket, bytes: ArrayBuffer): void {
    if (socket.readyState !== WebSocket.OPEN) return;
    for (let at = 0; at < bytes.byteLength; at += maxMessageBytes)
      socket.send(bytes.slice(at, at + maxMessageBytes));
    this.sentBytes += bytes.byteLength;
  }

  /** The connection is gone, or given up: another one, and another recorder. */
  #lost(): void {
    this.#drop();
    if (this.#state.type === "over") return;
    if (this.#state.type === "ending")
      return this.#over({
        type: "over",
        code: "lost",
        message: "The connection broke before the server had all of it.",
      });
    if (!this.#wasLive)
      return this.#over({
        type: "over",
        code: "unreachable",
        message: "The server can’t be reached, or does not accept this page.",
      });
    if (this.#login.token !== undefined)
      return this.#over({
        type: "over",
        code: "lost",
        message: "The connection broke, and a token works only once: get a new one.",
      });
    this.#change({
      type: "broken",
      sinceMs: this.#state.type === "broken" ? this.#state.sinceMs : performance.now(),
    });
    setTimeout(() => {
      if (this.#state.type === "broken") this.#connect();
    }, retryMs);
  }

  /** Lets go of the connection and the recorder, whose pieces go nowhere any more. */
  #drop(): void {
    const socket = this.#socket;
    const recorder = this.#recorder;
    this.#socket = undefined;
    this.#recorder = undefined;
    this.#isDraining = false;
    if (recorder !== undefined && recorder.state !== "inactive") recorder.stop();
    socket?.close();
  }

  #check(): void {
    const nowMs = performance.now();
    const socket = this.#socket;
    if (socket === undefined) return;
    if (nowMs - this.#heardAtMs > silenceMs && socket.bufferedAmount === 0) return this.#lost();
    if (this.#state.type !== "live") return;
    if (this.#isDraining) {
      if (socket.bufferedAmount === 0) this.#beginAnew();
    } else if (this.#uplink.check(nowMs, socket.bufferedAmount)) this.#slowDown();
  }

  /** Records nothing more until what waits has gone out. */
  #slowDown(): void {
    this.#listener.slower(this.#uplink.bitrate);
    const recorder = this.#recorder;
    recorder?.addEventListener("stop", () => {
      this.#order = this.#order.then(() => {
        this.#isDraining = this.#recorder === recorder;
      });
    });
    recorder?.stop();
  }

  /** Another stream: on another connection, as players of one stream don't expect another header in it. */
  #beginAnew(): void {
    this.#isDraining = false;
    if (this.#login.token !== undefined) return this.#record();
    this.#drop();
    this.#connect();
  }

  #over(state: Extract<BroadcastState, { type: "over" }>): void {
    if (this.#state.type === "over") return;
    clearInterval(this.#timer);
    this.#change(state);
    this.#drop();
  }

  #change(state: BroadcastState): void {
    this.#state = state;
    this.#listener.changed(state);
  }
}
