// A connection whose bytes go out as binary messages of a WebSocket (RFC 6455): to those that write to it it is as any other, and
// nothing is queued here either. A frame is begun for just the bytes that are there to be written. What the socket does not take
// of its payload is owed: the next bytes that are written, whichever they are, go on inside the frame until it is full, as where
// one message ends means nothing. So all that is kept is the rest of a header, or of a control frame.
//
//   written:   [aaaaaaaaaaaa][bbbbbbbbbb]      the socket takes 7 of the first
//   sent:      h:12 aaaaaaa|aaaaa h:10 bbbbbbbbbb
//                          owed
//
// Control frames and texts go out between frames only.

import type { Connection } from "../session/connection.ts";
import { encodeFrame, maxHeaderBytes, opcodes, writeHeader } from "./frames.ts";

/**
 * A frame has at most so many bytes: a browser hands over a message once all of it is there, and a frame that is half sent when its
 * stream ends leaves nothing to say why.
 */
export const maxPayloadBytes = 64 * 1024;

const nothing = new Uint8Array(0);
const ping = encodeFrame(opcodes.ping, nothing);
/**
 * A header and the payload behind it are written at once: the copy costs less than a second write, which would be a packet of its
 * own, and over TLS a record. It is used again as soon as it is written.
 */
const frame = new Uint8Array(maxHeaderBytes + maxPayloadBytes);

export class FramedConnection implements Connection {
  readonly descriptor = undefined;
  readonly #connection: Connection;
  /** Bytes that are yet to come of the frame that is under way. */
  #owed = 0;
  /** What the socket has not taken of a header, or of a control frame. */
  #unsent: Uint8Array = nothing;
  /** The pong that is yet to be sent. */
  #pong: Uint8Array | undefined;
  #isIdle = true;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get address(): string {
    return this.#connection.address;
  }

  get secure(): boolean {
    return this.#connection.secure;
  }

  /** Whether no frame is under way that has to be filled with bytes of the stream. */
  get isBetweenFrames(): boolean {
    return this.#owed === 0;
  }

  /** Sends a ping if nothing was written since the last call. */
  keepAlive(): void {
    if (this.#isIdle) this.say(ping);
    this.#isIdle = true;
  }

  /** The next `bytes` bytes that are written are frames already. */
  passOn(bytes: number): void {
    this.#owed = bytes;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    this.#isIdle = false;
    if (this.#isWhole) return this.#begin(bytes, offset, length, 0);
    const taken = this.#continue(bytes, offset, length);
    return taken < 0 || !this.#isWhole ? taken : this.#begin(bytes, offset, length, taken);
  }

  /** Whether all frames that were begun have gone out. */
  get #isWhole(): boolean {
    return this.#owed === 0 && this.#unsent.length === 0;
  }

  /** Writes what is owed first. Gives how many of the bytes that took; negative: the peer is gone. */
  #continue(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#unsent.length > 0 && !this.#flush()) return 0;
    if (this.#owed === 0) return 0;
    const taken = this.#connection.write(bytes, offset, Math.min(this.#owed, length));
    if (taken > 0) this.#owed -= taken;
    if (this.#owed === 0) this.#answer();
    return taken;
  }

  /** Writes what is left behind the `before` bytes that were taken, in frames of its own. Gives how many were taken in all. */
  #begin(bytes: Uint8Array, offset: number, length: number, before: number): number {
    let taken = before;
    while (taken < length) {
      const from = offset + taken;
      const payloadBytes = Math.min(length - taken, maxPayloadBytes);
      const headerBytes = writeHeader(frame, opcodes.binary, payloadBytes);
      frame.set(bytes.subarray(from, from + payloadBytes), headerBytes);
      const frameBytes = headerBytes + payloadBytes;
      const sent = this.#connection.write(frame, 0, frameBytes);
      if (sent < 0) return sent;
      // Of a frame that the socket took nothing of there is none.
      if (sent === 0) return taken;
      taken += Math.max(0, sent - headerBytes);
      if (sent < frameBytes) {
        this.#unsent = frame.slice(sent, Math.max(sent, headerBytes));
        this.#owed = Math.min(payloadBytes, frameBytes - sent);
        return taken;
      }
    }
    return taken;
  }

  /** Sends a frame, if none is under way. False if it can't be sent now. */
  say(whole: Uint8Array): boolean {
    if (!this.#isWhole) return false;
    this.#isIdle = false;
    const taken = this.#connection.write(whole, 0, whole.length);
    if (taken >= 0 && taken < whole.length) this.#unsent = whole.slice(taken);
    return true;
  }

  /** Answers a ping, as soon as that can be; of several that come meanwhile the last (RFC 6455, section 5.5.3). */
  pong(payload: Uint8Array): void {
    this.#pong = encodeFrame(opcodes.pong, payload);
    this.#answer();
  }

  #answer(): void {
    if (this.#pong !== undefined && this.say(this.#pong)) this.#pong = undefined;
  }

  /** The socket has room again: what is kept here goes first. */
  drained(): void {
    if (this.#unsent.length > 0) this.#flush();
    this.#answer();
  }

  /** Whether all of what was kept is written. */
  #flush(): boolean {
    const taken = this.#connection.write(this.#unsent, 0, this.#unsent.length);
    if (taken > 0) this.#unsent = this.#unsent.subarray(taken);
    return this.#unsent.length === 0;
  }

  /** Bytes can't be read past the frames that they come in. */
  available(): number {
    return 0;
  }

  receive(): number {
    return 0;
  }

  keepPlace(): void {
    this.#connection.keepPlace();
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  shutdown(): void {
    this.#connection.shutdown();
  }

  close(): void {
    this.#connection.close();
  }

  reset(): void {
    this.#connection.reset();
  }

  unacknowledged(): number | undefined {
    return this.#connection.unacknowledged();
  }
}
