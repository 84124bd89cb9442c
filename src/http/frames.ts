// The frames of WebSockets, the server's side (RFC 6455, section 5): a decoder of what a client sends, taken in pieces of any
// size, and an encoder. Binary messages are a stream here: their bytes are handed over as they come, unmasked in place, and where
// one message ends and the next begins is not reported. Text messages are short, and kept until they are whole. So whatever a
// client sends, no more than `maxTextBytes` and a control frame are kept of it, and work is linear in the bytes; a limited number of
// frames is taken at once. Pure.
//
//     0               1               2               3
//    +-+-----+-------+-+-------------+-------------------------------+
//    |F| RSV |opcode |M| length (7)  | length (0, 16 or 64 bits)     |
//    +-+-----+-------+-+-------------+-------------------------------+
//    | masking key (32, a client's only)  | payload ...

import { Gathering } from "./gathering.ts";

/** Section 5.2. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Why a connection is closed (section 7.4.1, and IANA's registry for 1012 to 1014). */
export const closeCodes = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupported: 1003,
  /** Stands for a Close frame without a code; is never sent. */
  none: 1005,
  invalidPayload: 1007,
  policyViolation: 1008,
  tooBig: 1009,
  internalError: 1011,
  tryAgainLater: 1013,
} as const;

/** What a control frame carries at the most, bytes (section 5.5). */
const maxControlBytes = 125;
/** The longest header that a server sends, bytes. */
export const maxHeaderBytes = 10;
/** The same of a client, with its masking key. */
const maxClientHeaderBytes = 14;
/** So many frames are taken at once. */
export const framesAtOnce = 256;
/** Fewer bytes are unmasked one by one. */
const fewBytes = 64;

const nothing = new Uint8Array(0);

/** What comes out of a decoder. */
export interface FrameEvents {
  /** Bytes of binary messages: a view of what was fed. */
  binary(bytes: Uint8Array): void;
  /** A whole text message. */
  text(message: string): void;
  /** To be answered with a pong of the same payload, which is a view that is used again. */
  ping(payload: Uint8Array): void;
  /** Unasked, as a rule: this server's pings are few. */
  pong(): void;
  /** The client closes, with that code. The last event. */
  close(code: number): void;
  /** The client broke the rules: to be closed with that code. The last event. */
  broken(code: number, reason: string): void;
}

export class FrameDecoder {
  readonly #maxTextBytes: number;
  readonly #events: FrameEvents;
  readonly #head = new Uint8Array(maxClientHeaderBytes);
  #headBytes = 0;
  /** How long the header is, as far as is known. */
  #headSize = 2;
  /** Bytes of the frame's payload that are still to come, and how many have. */
  #left = 0;
  #taken = 0;
  /** The opcode of the message that is under way; 0: none is. */
  #message = 0;
  #text: Uint8Array = nothing;
  #textBytes = 0;
  #control: Uint8Array = nothing;
  readonly #gathering = new Gathering();
  readonly #binary = (bytes: Uint8Array) => {
    if (!this.#over) this.#events.binary(bytes);
  };
  /** The frames that are still taken this time. */
  #framesLeft = 0;
  #over = false;

  /** A text message has at most `maxTextBytes`. */
  constructor(maxTextBytes: number, events: FrameEvents) {
    this.#maxTextBytes = maxTextBytes;
    this.#events = events;
  }

  /**
   * Takes the next bytes, and changes them: at most `framesAtOnce` frames, the last of which is the first text. Gives how many
   * bytes that were; the rest is to be fed next.
   */
  feed(bytes: Uint8Array): number {
    let at = 0;
    this.#framesLeft = framesAtOnce;
    while (at < bytes.length && this.#framesLeft > 0 && !this.#over) {
      if (this.#headBytes < this.#headSize) {
        this.#head[this.#headBytes++] = bytes[at++];
        if (this.#headBytes === 2) this.#begin();
        else if (this.#headBytes === 1) this.#checkFirst();
        if (this.#headBytes === this.#headSize && !this.#over) this.#enter();
        continue;
      }
      const count = Math.min(this.#left, bytes.length - at);
      this.#payload(bytes, at, count);
      at += count;
    }
    this.#gathering.handOver(this.#binary);
    return this.#over ? bytes.length : at;
  }

  /** Nothing is reported from now on. */
  stop(): void {
    this.#over = true;
  }

  get #opcode(): number {
    return this.#head[0] & 0x0f;
  }

  get #isFinal(): boolean {
    return this.#head[0] >= 0x80;
  }

  get #isControl(): boolean {
    return this.#opcode >= 8;
  }

  /** The first byte of a header is there. */
  #checkFirst(): void {
    const { continuation, text, binary } = opcodes;
    const opcode = this.#opcode;
    if ((this.#head[0] & 0x70) !== 0) return this.#break("a reserved bit is set");
    if (this.#isControl) {
      if (opcode > opcodes.pong) this.#break(`unknown opcode ${opcode}`);
      else if (!this.#isFinal) this.#break("a control frame is fragmented");
    } else if (opcode === continuation) {
      if (this.#message === 0) this.#break("a continuation frame without a message");
    } else if (opcode !== text && opcode !== binary) {
      this.#break(`unknown opcode ${opcode}`);
    } else if (this.#message !== 0) {
      this.#break("a message starts inside another");
    }
  }

  /** The first two bytes of a header are there: it is known how long it is. */
  #begin(): void {
    const [, second] = this.#head;
    const length = second & 0x7f;
    if (second < 0x80) return this.#break("a frame is not masked");
    if (this.#isControl && length > maxControlBytes) return this.#break("a control frame is too long");
    this.#headSize = 6 + (length === 127 ? 8 : length === 126 ? 2 : 0);
  }

  /** The header is there. */
  #enter(): void {
    const length = this.#length();
    if (length === undefined) return;
    const { text } = opcodes;
    const opcode = this.#opcode;
    this.#left = length;
    this.#taken = 0;
    if (!this.#isControl) {
      if (opcode !== opcodes.continuation) this.#message = opcode;
      if (this.#message === text && this.#textBytes + length > this.#maxTextBytes) {
        this.#break(`a text message of more than ${this.#maxTextBytes} bytes`, closeCodes.tooBig);
        return;
      }
    }
    if (length === 0) this.#finish();
  }

  /** The payload's length (section 5.2), which has to be written in as few bytes as it can be. */
  #length(): number | undefined {
    const short = this.#head[1] & 0x7f;
    if (short < 126) return short;
    const view = new DataView(this.#head.buffer);
    if (short === 126) {
      const length = view.getUint16(2);
      if (length >= 126) return length;
      this.#break("a length is not in its shortest form");
      return undefined;
    }
    const high = view.getUint32(2);
    const length = high * 2 ** 32 + view.getUint32(6);
    if (high >= 2 ** 31) this.#break("the high bit of a length is set");
    else if (length > Number.MAX_SAFE_INTEGER) this.#break("a frame is too large", closeCodes.tooBig);
    else if (length < 2 ** 16) this.#break("a length is not in its shortest form");
    else return length;
    return undefined;
  }

  /** Bytes of a payload have come, of which there are some. */
  #payload(bytes: Uint8Array, at: number, count: number): void {
    const piece = bytes.subarray(at, at + count);
    unmask(piece, this.#head, this.#headSize - 4, this.#taken);
    if (this.#isControl) {
      if (this.#control.length === 0) this.#control = new Uint8Array(maxControlBytes);
      this.#control.set(piece, this.#taken);
    } else if (this.#message === opcodes.text) {
      this.#keepText(piece);
    } else {
      this.#gathering.add(bytes, at, count, this.#binary);
    }
    this.#taken += count;
    this.#left -= count;
    if (this.#left === 0 && !this.#over) this.#finish();
  }

  #keepText(piece: Uint8Array): void {
    const size = this.#textBytes + piece.length;
    if (size > this.#text.length) {
      const larger = new Uint8Array(Math.min(this.#maxTextBytes, Math.max(size, 2 * this.#text.length)));
      larger.set(this.#text.subarray(0, this.#textBytes));
      this.#text = larger;
    }
    this.#text.set(piece, this.#textBytes);
    this.#textBytes = size;
  }

  /** A frame is whole. */
  #finish(): void {
    this.#framesLeft--;
    this.#headBytes = 0;
    this.#headSize = 2;
    if (this.#isControl) {
      this.#finishControl(this.#control.subarray(0, this.#taken));
    } else if (this.#isFinal) {
      const isText = this.#message === opcodes.text;
      this.#message = 0;
      if (isText) this.#finishText();
    }
  }

  #finishText(): void {
    const text = utf8(this.#text.subarray(0, this.#textBytes));
    this.#text = nothing;
    this.#textBytes = 0;
    this.#framesLeft = 0;
    this.#gathering.handOver(this.#binary);
    if (this.#over) return;
    if (text === undefined) this.#break("a text message is not UTF-8", closeCodes.invalidPayload);
    else this.#events.text(text);
  }

  #finishControl(payload: Uint8Array): void {
    switch (this.#opcode) {
      case opcodes.ping:
        this.#events.ping(payload);
        return;
      case opcodes.close:
        this.#finishClose(payload);
        return;
      default:
        this.#events.pong();
        return;
    }
  }

  /** Section 5.5.1. */
  #finishClose(payload: Uint8Array): void {
    if (payload.length === 1) return this.#break("a close code of one byte");
    const code = payload.length === 0 ? closeCodes.none : payload[0] * 256 + payload[1];
    if (payload.length > 0 && !maySend(code)) return this.#break(`invalid close code ${code}`);
    if (utf8(payload.subarray(2)) === undefined) {
      return this.#break("a close reason is not UTF-8", closeCodes.invalidPayload);
    }
    this.#gathering.handOver(this.#binary);
    if (this.#over) return;
    this.#over = true;
    this.#events.close(code);
  }

  #break(reason: string, code: number = closeCodes.protocolError): void {
    this.#gathering.handOver(this.#binary);
    if (this.#over) return;
    this.#over = true;
    this.#events.broken(code, reason);
  }
}

/** Whether a Close frame may have that code: of those that are registered, or anybody's own (section 7.4). */
function maySend(code: number): boolean {
  const { normal, unsupported, invalidPayload } = closeCodes;
  if (code >= 3000) return code < 5000;
  return (code >= normal && code <= unsupported) || (code >= invalidPayload && code <= 1014);
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Four bytes of a key, turned such that they fit where they are applied; and the same as a number of this machine. */
const turned = new Uint8Array(4);
const turnedWord = new Int32Array(turned.buffer);

/** Unmasks `bytes` in place (section 5.3): they are a payload's from its byte `first` on, its key is in `head` at `keyAt`. */
function unmask(bytes: Uint8Array, head: Uint8Array, keyAt: number, first: number): void {
  const { length, byteOffset, buffer } = bytes;
  let i = 0;
  if (length >= fewBytes) {
    for (; (byteOffset + i) % 4 !== 0; i++) bytes[i] ^= head[keyAt + ((first + i) & 3)];
    for (let k = 0; k < 4; k++) turned[k] = head[keyAt + ((first + i + k) & 3)];
    const [key] = turnedWord;
    const words = new Int32Array(buffer, byteOffset + i, (length - i) >> 2);
    for (let w = 0; w < words.length; w++) words[w] ^= key;
    i += 4 * words.length;
  }
  for (; i < length; i++) bytes[i] ^= head[keyAt + ((first + i) & 3)];
}

/** Writes the header of a whole message's frame to the beginning of `into`; gives how long it is. */
export function writeHeader(into: Uint8Array, opcode: number, payloadBytes: number): number {
  into[0] = 0x80 | opcode;
  if (payloadBytes < 126) {
    into[1] = payloadBytes;
    return 2;
  }
  if (payloadBytes < 2 ** 16) {
    into[1] = 126;
    into[2] = payloadBytes >> 8;
    into[3] = payloadBytes & 0xff;
    return 4;
  }
  into[1] = 127;
  const view = new DataView(into.buffer, into.byteOffset);
  view.setUint32(2, Math.floor(payloadBytes / 2 ** 32));
  view.setUint32(6, payloadBytes % 2 ** 32);
  return maxHeaderBytes;
}

/** A whole message, or a control frame. */
export function encodeFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(maxHeaderBytes + payload.length);
  const headerBytes = writeHeader(frame, opcode, payload.length);
  frame.set(payload, headerBytes);
  return frame.subarray(0, headerBytes + payload.length);
}

/** A text message: a JSON object. */
export function encodeMessage(message: object): Uint8Array {
  return encodeFrame(opcodes.text, new TextEncoder().encode(JSON.stringify(message)));
}

/** A Close frame; the reason is for people, and cut where it is too long. `none`: without a code. */
export function encodeClose(code: number, reason = ""): Uint8Array {
  if (code === closeCodes.none) return encodeFrame(opcodes.close, nothing);
  const payload = new Uint8Array(maxControlBytes);
  new DataView(payload.buffer).setUint16(0, code);
  // Never a part of a character.
  const { written } = new TextEncoder().encodeInto(reason, payload.subarray(2));
  return encodeFrame(opcodes.close, payload.subarray(0, 2 + written));
}
