// Frames as a client of WebSockets sends them (RFC 6455, section 5), rightly and wrongly, for the tests.

export interface ClientFrame {
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  /** False: more of the message follows. */
  readonly fin?: boolean;
  /** The three reserved bits. */
  readonly reserved?: number;
  /** The masking key; undefined: not masked, against the rules. */
  readonly key?: readonly number[] | undefined;
  /** How the length is written: in 7, 16 or 64 bits; as short as can be if left out. */
  readonly lengthBits?: 7 | 16 | 64;
  /** The length that is written, if another than the payload's. */
  readonly length?: number;
}

export const someKey = [0x37, 0xfa, 0x21, 0x3d];

/** One frame's bytes. */
export function clientFrame(frame: ClientFrame): Uint8Array {
  const { opcode, fin = true, reserved = 0 } = frame;
  const payload = bytesOf(frame.payload ?? "");
  const key = "key" in frame ? frame.key : someKey;
  const length = frame.length ?? payload.length;
  const bits = frame.lengthBits ?? (length < 126 ? 7 : length < 65536 ? 16 : 64);
  const extra = bits === 7 ? 0 : bits / 8;
  const bytes = new Uint8Array(2 + extra + (key === undefined ? 0 : 4) + payload.length);
  bytes[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  bytes[1] = (key === undefined ? 0 : 0x80) | (bits === 7 ? length : bits === 16 ? 126 : 127);
  for (let i = 0; i < extra; i++)
    bytes[2 + i] = Number((BigInt(length) >> BigInt(8 * (extra - 1 - i))) & 0xffn);
  let at = 2 + extra;
  if (key !== undefined) {
    bytes.set(key, at);
    at += 4;
  }
  for (const [i, byte] of payload.entries()) bytes[at + i] = byte ^ (key?.[i & 3] ?? 0);
  return bytes;
}

/** A Close frame's payload. */
export function closePayload(code: number, reason: Uint8Array | string = ""): Uint8Array {
  return joined(Uint8Array.of(code >> 8, code & 0xff), bytesOf(reason));
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

function bytesOf(payload: Uint8Array | string): Uint8Array {
  return typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
}

/** A frame of a server, which is neither masked nor a part of a message. */
export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** The whole frames of what a server sent, and what is left. Throws for what a server must not send. */
export function serverFrames(bytes: Uint8Array): { frames: ServerFrame[]; rest: Uint8Array } {
  const frames: ServerFrame[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at + 2 <= bytes.length) {
    if ((bytes[at] & 0xf0) !== 0x80) throw new Error("a server's frame is a fragment, or has reserved bits");
    if (bytes[at + 1] >= 0x80) throw new Error("a server's frame is masked");
    const short = bytes[at + 1];
    const headBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (at + headBytes > bytes.length) break;
    const length =
      short < 126 ? short : short === 126 ? view.getUint16(at + 2) : Number(view.getBigUint64(at + 2));
    if (at + headBytes + length > bytes.length) break;
    frames.push({
      opcode: bytes[at] & 0x0f,
      payload: bytes.subarray(at + headBytes, at + headBytes + length),
    });
    at += headBytes + length;
  }
  return { frames, rest: bytes.subarray(at) };
}
