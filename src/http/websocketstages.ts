// A connection that has become a WebSocket (RFC 6455), from its first message to its end; what it is for is up to its subclasses:
//
//   first message --> login --> watcher | broadcaster --> closing
//
// The first message says what is asked for, and has to be there within `handshake_timeout`. A ping is answered, one for as many
// as are taken at once; a client that breaks the rules, or sends more frames without a stream than make sense, is closed with the
// code for it. While a login is looked up nothing is taken. Each end is said in a text and in a Close frame, but where a frame is half sent
// (framedconnection.ts): then it is a reset.

import { reportRefusal, type Subject } from "../access/refusal.ts";
import { FstreamError } from "../errors.ts";
import type { Timer } from "../relay/clock.ts";
import { type CloseMode, ClosingStage, type FinalBytes } from "../session/closing.ts";
import type { Connection, ConnectionStage } from "../session/connection.ts";
import { Intake } from "../session/intake.ts";
import { LoginStage } from "../session/login.ts";
import { type Asked, Stages } from "../session/stages.ts";
import { FramedConnection } from "./framedconnection.ts";
import { closeCodes, encodeClose, FrameDecoder } from "./frames.ts";
import type { HttpServices } from "./services.ts";
import { encodeRefusal } from "./socketreplies.ts";

/** A text message of a client has at most so many bytes. */
export const maxMessageBytes = 4096;
/** How long a peer may take to accept what is said at the end, milliseconds. */
export const closingTimeoutMs = 2000;
/** After so long without a word something is said, as proxies close what is silent for a minute. Milliseconds. */
const keepaliveMs = 30_000;
/** So many pings, pongs and texts of a client make sense within a second. */
export const maxWordsASecond = 100;
const nothing = new Uint8Array(0);

/** Whose channel a WebSocket is about. */
export interface SocketChannel {
  readonly user: string;
  readonly channel: string;
}

export abstract class WebSocketStages extends Stages {
  protected readonly framed: FramedConnection;
  protected readonly asked: Asked;
  readonly #decoder: FrameDecoder;
  readonly #intake: Intake;
  /** Of those that were taken at once, the last. */
  #ping: Uint8Array | undefined;
  /** For the first message. */
  readonly #deadline: Timer;
  #hasBegun = false;
  /** When the second began in which they are counted, and how many of its frames were words. */
  #secondMs = 0;
  #words = 0;
  #keepalive: Timer | undefined;

  constructor(connection: Connection, services: HttpServices, subject: Subject, address: string) {
    const framed = new FramedConnection(connection);
    super(framed, services);
    this.framed = framed;
    this.asked = { subject, address, refusal: encodeRefusal };
    this.#decoder = new FrameDecoder(maxMessageBytes, {
      text: (message) => this.#message(message),
      binary: (bytes) => this.#binary(bytes),
      ping: (payload) => {
        this.#ping = payload.slice();
        this.countWord();
      },
      pong: () => this.countWord(),
      close: (code) => this.leave(this.stage, encodeClose(code), "fin", closingTimeoutMs),
      broken: (code, reason) => {
        reportRefusal(services, subject, address, new FstreamError("bad_request", reason));
        this.leave(this.stage, encodeClose(code, reason), "fin", closingTimeoutMs);
      },
    });
    this.#intake = new Intake(framed, services, { take: (bytes) => this.#take(bytes), fill: () => 0 });
    this.#deadline = services.clock.after(services.options.handshakeTimeoutMs, () => {
      this.refuse(new FstreamError("bad_request", "timed out waiting for the first message"), this.asked);
    });
    this.enter(new FirstMessageStage((error) => this.refuse(error, this.asked)), () => {});
    this.#keepAlive();
  }

  /** The first message, which says what is asked for. What it throws is a refusal. */
  protected abstract begin(message: string): void;

  /** Another text message. */
  protected abstract message(text: string): void;

  /** Bytes of binary messages, which are used for others afterwards. */
  protected abstract binary(bytes: Uint8Array): void;

  override data(bytes: Uint8Array): void {
    this.#intake.event(bytes);
  }

  override drained(): void {
    this.framed.drained();
    super.drained();
  }

  /** A client that means to end sends a Close first; one that does not has gone. */
  override ended(): void {
    super.ended();
    this.#intake.ended(() => {
      const close = encodeClose(closeCodes.none);
      if (!(this.stage instanceof ClosingStage)) this.leave(this.stage, close, "fin", closingTimeoutMs);
    });
  }

  override closed(error: Error | undefined): void {
    this.#stop();
    super.closed(error);
  }

  protected override enter(stage: ConnectionStage, begin: () => void): void {
    super.enter(stage, begin);
    if (this.#mayTake) this.#intake.go();
  }

  override leave(
    from: ConnectionStage | undefined,
    finalBytes: FinalBytes,
    mode: CloseMode,
    timeoutMs: number,
  ): void {
    if (this.stage !== from) return;
    this.#stop();
    const { isBetweenFrames } = this.framed;
    this.framed.passOn(Number.POSITIVE_INFINITY);
    if (isBetweenFrames) super.leave(from, finalBytes, mode, timeoutMs);
    else super.leave(from, nothing, "reset", timeoutMs);
  }

  /** To be called for what is no part of a stream. */
  protected countWord(): void {
    const nowMs = this.services.clock.nowMs();
    if (nowMs - this.#secondMs >= 1000) {
      this.#secondMs = nowMs;
      this.#words = 0;
    }
    if (++this.#words <= maxWordsASecond) return;
    const reason = `more than ${maxWordsASecond} control frames and meaningless messages within a second`;
    this.refuse(new FstreamError("bad_request", reason), this.asked);
  }

  /** A login has paused the connection: what comes behind the message that asked for it is for the stage after it. */
  get #mayTake(): boolean {
    return !(this.stage instanceof LoginStage);
  }

  #take(bytes: Uint8Array): number {
    if (!this.#mayTake) return 0;
    const taken = this.#decoder.feed(bytes);
    if (this.#ping !== undefined) this.framed.pong(this.#ping);
    this.#ping = undefined;
    return taken;
  }

  #keepAlive(): void {
    this.#keepalive = this.services.clock.after(keepaliveMs, () => {
      this.framed.keepAlive();
      this.#keepAlive();
    });
  }

  /** What the client sends does not matter any more. */
  #stop(): void {
    this.#decoder.stop();
    this.#intake.stop();
    this.#deadline.cancel();
    this.#keepalive?.cancel();
    this.#ping = undefined;
  }

  #message(text: string): void {
    if (this.#hasBegun) return this.message(text);
    this.#hasBegun = true;
    this.#deadline.cancel();
    this.connection.keepPlace();
    this.guard(this.asked, () => this.begin(text));
  }

  #binary(bytes: Uint8Array): void {
    if (this.#hasBegun) return this.binary(bytes);
    this.refuse(new FstreamError("bad_request", "the first message is not text"), this.asked);
  }
}

/** Waits for the first message, which goes past it. */
class FirstMessageStage implements ConnectionStage {
  readonly #refuse: (error: FstreamError) => void;

  constructor(refuse: (error: FstreamError) => void) {
    this.#refuse = refuse;
  }

  data(): void {}

  drained(): void {}

  ended(): void {}

  closed(): void {}

  stop(): void {
    this.#refuse(new FstreamError("shutting_down", "the server is shutting down"));
  }
}
