// A request whose body is a stream (protocol/README.md, "Broadcasting over HTTP"): it goes to the relay as it comes. Its channel is
// claimed with the body's first byte, so that an empty one disturbs no broadcast; what is known to refuse it is said before.
//
//   - All of the body there is an orderly end, and is answered with the number of its bytes. One that breaks off, or breaks
//     the rules, is a broken broadcast. Without a length it is over with the peer's FIN, as with the original protocol.
//   - A client that expects `100 Continue` gets it at once, since it has its permit (RFC 9110, section 10.1.1).
//   - One whose first byte does not come in time is refused.
//   - SOURCE is Icecast's: its clients wait for `HTTP/1.0 200 OK` before they send the stream, and no answer comes at the end.
//     One that sends without waiting may never read: unread, that answer would make a reset of the end of its connection.

import type { BroadcastPermit } from "../access/access.ts";
import { asFstreamError, FstreamError } from "../errors.ts";
import type { Timer } from "../relay/clock.ts";
import { Broadcasting, type BroadcastingRequest } from "../session/broadcasting.ts";
import type { CloseMode } from "../session/closing.ts";
import type { Connection, ConnectionStage } from "../session/connection.ts";
import { encodeContinue } from "../session/httpresponse.ts";
import { Intake, type Source } from "../session/intake.ts";
import { BodyDecoder } from "./body.ts";
import type { Framing } from "./framing.ts";
import type { ContentRange } from "./parts.ts";
import type { HttpServices } from "./services.ts";

/** What a request asks to broadcast, and how it sends it. */
export interface Upload extends BroadcastingRequest {
  readonly method: string;
  readonly minorVersion: number;
  /** The client's address. */
  readonly address: string;
  readonly framing: Framing;
  readonly range: ContentRange | undefined;
  /** Whether the client waits for `100 Continue`. */
  readonly expectsContinue: boolean;
}

export interface UploadOutcome {
  /** All of the body was taken, so many bytes. */
  done(bytes: number): void;
  /** It is refused before anything has begun. */
  refused(error: FstreamError): void;
  /** Its broadcast is over, as the log has it: the client is to be told why. */
  ended(error: FstreamError): void;
  /** The connection ends without a word. */
  leave(mode: CloseMode): void;
}

const sourceOk = new TextEncoder().encode("HTTP/1.0 200 OK\r\n\r\n");
/** How long a source of HTTP/1.1 may take for its first byte before it is taken for one that waits for an answer, milliseconds. */
const sourceWaitsMs = 500;
/** How long the first byte of a stream may take, milliseconds: an encoder may begin slowly. */
const firstByteTimeoutMs = 60_000;

export class UploadStage implements ConnectionStage {
  readonly #connection: Connection;
  readonly #services: HttpServices;
  readonly #upload: Upload;
  readonly #permit: BroadcastPermit;
  readonly #outcome: UploadOutcome;
  readonly #body: BodyDecoder;
  readonly #intake: Intake;
  #broadcasting: Broadcasting | undefined;
  /** Bytes of the body that have come with an earlier request, and are still to be dropped. */
  #known = 0;
  #hasBegun = false;
  #waiting: Timer | undefined;
  /** An answer was sent to a source before its stream. */
  #answered = false;
  #over = false;

  constructor(
    connection: Connection,
    services: HttpServices,
    upload: Upload,
    permit: BroadcastPermit,
    outcome: UploadOutcome,
  ) {
    this.#connection = connection;
    this.#services = services;
    this.#upload = upload;
    this.#permit = permit;
    this.#outcome = outcome;
    this.#body = new BodyDecoder(upload.framing);
    this.#intake = new Intake(this.#source(), services, {
      take: (bytes) => this.#feed(bytes),
      fill: (receive) => {
        const bytes = this.#broadcasting?.fill(receive) ?? 0;
        if (this.#body.isComplete && !this.#over) this.#complete();
        return bytes;
      },
    });
  }

  /** To be called once, as soon as this is the connection's stage. `early`: what came of the body before. Throws FstreamError. */
  begin(early: readonly Uint8Array[]): void {
    if (this.#body.isComplete) return this.#complete();
    if (!this.#services.parts.has(this.#upload)) this.#permit.check();
    for (const bytes of early) this.#intake.event(bytes);
    if (this.#over || this.#body.bytes > 0) return;
    const { expectsContinue } = this.#upload;
    if (expectsContinue && early.every(({ length }) => length === 0)) this.#say(encodeContinue);
    this.#awaitBody();
  }

  /** The client may wait for an answer before it sends a body, or have none to send. */
  #awaitBody(): void {
    const { method, minorVersion, framing, expectsContinue } = this.#upload;
    const { clock, options } = this.#services;
    const isSource = method === "SOURCE" && !expectsContinue;
    if (isSource && minorVersion === 0) this.#answerSource();
    else if (isSource) this.#waiting = clock.after(sourceWaitsMs, () => this.#answerSource());
    else if (framing.type === "close" && !expectsContinue)
      this.#limitWaiting(
        options.handshakeTimeoutMs,
        "the request has no body: it needs a Content-Length or chunked encoding",
      );
    else this.#limitWaiting(firstByteTimeoutMs, "timed out waiting for the body");
  }

  #limitWaiting(ms: number, message: string): void {
    const error = new FstreamError("bad_request", message);
    this.#waiting = this.#services.clock.after(ms, () => this.#refuse(error));
  }

  data(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#intake.event(bytes);
  }

  drained(): void {}

  ended(): void {
    this.#intake.ended(() => this.#ended());
  }

  #ended(): void {
    if (this.#over) return;
    if (this.#body.end() === "complete") return this.#complete();
    const error = new FstreamError("disconnected", "the connection closed before the end of the body");
    this.#breakOff((broadcasting) => broadcasting.abort(error));
    this.#refuse(new FstreamError("bad_request", error.message));
  }

  closed(error: Error | undefined): void {
    this.#over = true;
    this.#waiting?.cancel();
    this.#intake.stop();
    this.#breakOff((broadcasting) => broadcasting.disconnected(error));
  }

  /** What has begun is ended by the relay. */
  stop(): void {
    if (!this.#over && this.#broadcasting === undefined)
      this.#refuse(new FstreamError("shutting_down", "the server is shutting down"));
  }

  /** Of the connection what is all of the stream. */
  #source(): Source {
    const connection = this.#connection;
    const body = this.#body;
    return {
      available: () => (this.#known > 0 ? 0 : Math.min(body.ahead, connection.available())),
      receive: (into, offset, length) => {
        const bytes = connection.receive(into, offset, Math.min(length, body.ahead));
        body.pass(bytes);
        return bytes;
      },
      pause: () => connection.pause(),
      resume: () => connection.resume(),
      reset: () => connection.reset(),
    };
  }

  /** Gives how many bytes were taken. */
  #feed(bytes: Uint8Array): number {
    if (this.#over) return bytes.length;
    const progress = this.#body.feed(bytes, (piece) => this.#take(piece));
    if (this.#over) return bytes.length;
    if (progress.type === "more") return progress.taken;
    if (progress.type === "complete") this.#complete();
    else this.#malformed(progress.message);
    return bytes.length;
  }

  #take(piece: Uint8Array): void {
    if (this.#over || (this.#broadcasting === undefined && !this.#claim())) return;
    const known = Math.min(this.#known, piece.length);
    this.#known -= known;
    this.#broadcasting?.append(piece.subarray(known));
  }

  /** The first byte has come. False: it is refused. */
  #claim(): boolean {
    this.#waiting?.cancel();
    const { parts } = this.#services;
    const dismissed = (error: FstreamError) => this.#dismissed(error);
    const continued = parts.take(this.#upload, this.#upload.range);
    const broadcasting =
      continued?.broadcasting ??
      new Broadcasting(this.#upload.address, this.#services, this.#upload, dismissed);
    try {
      if (continued === undefined) broadcasting.begin(this.#permit);
      else broadcasting.renew(this.#permit);
    } catch (error) {
      this.#refuse(asFstreamError(error));
      return false;
    }
    broadcasting.whenDismissed = dismissed;
    this.#broadcasting = broadcasting;
    this.#known = continued?.known ?? 0;
    this.#hasBegun = true;
    return true;
  }

  #complete(): void {
    const broadcasting = this.#release();
    if (broadcasting !== undefined && !this.#keep(broadcasting, true)) broadcasting.end();
    this.#over = true;
    if (this.#answered) this.#outcome.leave("fin");
    else this.#outcome.done(this.#body.bytes);
  }

  #malformed(message: string): void {
    this.#release()?.abort(new FstreamError("disconnected", message));
    this.#refuse(new FstreamError("bad_request", message));
  }

  /** The rest of the body does not come: a part may be sent again, and anything else is aborted. */
  #breakOff(abort: (broadcasting: Broadcasting) => void): void {
    const broadcasting = this.#release();
    if (broadcasting !== undefined && !this.#keep(broadcasting, false)) abort(broadcasting);
  }

  #dismissed(error: FstreamError): void {
    this.#broadcasting = undefined;
    if (error.code !== "disconnected") return this.#refuse(error);
    this.#over = true;
    this.#outcome.leave("reset");
  }

  #refuse(error: FstreamError): void {
    this.#over = true;
    if (this.#answered) this.#outcome.leave("fin");
    else if (this.#hasBegun) this.#outcome.ended(error);
    else this.#outcome.refused(error);
  }

  #release(): Broadcasting | undefined {
    const broadcasting = this.#broadcasting;
    this.#broadcasting = undefined;
    return broadcasting;
  }

  /** Keeps what another part may follow; false if none will. `isWhole`: all of this one has come. */
  #keep(broadcasting: Broadcasting, isWhole: boolean): boolean {
    const { range, method, framing } = this.#upload;
    const isLast = isWhole && range !== undefined && range.last + 1 === range.total;
    // The first part has no range.
    const isPart = range !== undefined || (isWhole && method === "PUT" && framing.type === "length");
    if (isLast || !isPart || !broadcasting.isOn) return false;
    const next = (range?.first ?? 0) + this.#body.bytes + this.#known;
    this.#services.parts.keep(this.#upload, broadcasting, range, next);
    return true;
  }

  #answerSource(): void {
    this.#answered = true;
    this.#say(sourceOk);
    this.#limitWaiting(firstByteTimeoutMs, "timed out waiting for the stream");
  }

  /** A socket that so little was written to takes it whole. */
  #say(bytes: Uint8Array): void {
    this.#connection.write(bytes, 0, bytes.length);
  }
}
