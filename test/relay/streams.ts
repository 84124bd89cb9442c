// Streams made for the tests of the relay: bytes that tell where they are from, and two real containers, as
// small as can be, whose join points lie where the test wants them.

import { concat } from "../../src/media/bytes.ts";
import { WorkTimes } from "../../src/relay/cputime.ts";
import { SniffedCutPoints } from "../../src/relay/sniffedcutpoints.ts";
import { FakeClock } from "./clock.ts";

/** CutPoints of a stream that is what its bytes say, of which nothing is reported. */
export function sniffedCutPoints(): SniffedCutPoints {
  const clock = new FakeClock();
  return new SniffedCutPoints(clock, new WorkTimes(clock).begin("fier"), { opaque: () => {} });
}

/** Enough first bytes of `opaque` for the sniffer to know that it is no container. */
export const sniffedBytes = 4096;

/** `length` bytes from `from` on of a stream that is no container; no two places of it look alike. */
export function opaque(length: number, from = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const at = from + i;
    const word = (Math.imul(at >>> 2, 0x9e37_79b1) ^ 0x5bd1_e995) >>> 0;
    bytes[i] = word >>> (8 * (3 - (at & 3)));
  }
  return bytes;
}

const text = (value: string) => new TextEncoder().encode(value);

function little(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i));
}

/**
 * The head of an endless WAV stream of 8-bit sound with a join point each `step` bytes, the first of them right after the
 * head. It can't be repeated in mid-stream.
 */
export function wavHead(step: number): Uint8Array {
  const format = concat([
    little(1, 2),
    little(1, 2),
    little(step * 50, 4),
    little(step * 50, 4),
    little(1, 2),
    little(8, 2),
  ]);
  const endless = new Uint8Array(4).fill(0xff);
  return concat([
    text("RIFF"),
    endless,
    text("WAVEfmt "),
    little(format.length, 4),
    format,
    text("data"),
    endless,
  ]);
}

function flvTag(type: number, timestampMs: number, payload: Uint8Array): Uint8Array {
  const tag = new Uint8Array(11 + payload.length + 4);
  const view = new DataView(tag.buffer);
  view.setUint32(0, payload.length);
  tag[0] = type;
  view.setUint32(4, ((timestampMs & 0xff_ffff) << 8) | (timestampMs >>> 24));
  tag.set(payload, 11);
  view.setUint32(11 + payload.length, 11 + payload.length);
  return tag;
}

/** FLV's head: 13 bytes. */
export const flvHead = Uint8Array.of(0x46, 0x4c, 0x56, 1, 1, 0, 0, 0, 9, 0, 0, 0, 0);

/** The configuration of a video decoder; `seed` makes one differ from another. */
export function flvConfig(timestampMs: number, seed = 1, length = 20): Uint8Array {
  return flvTag(9, timestampMs, concat([Uint8Array.of(0x17, 0, 0, 0, 0), opaque(length, seed * 1000)]));
}

/** A video tag of `length` bytes in all. */
export function flvFrame(timestampMs: number, keyframe: boolean, length: number): Uint8Array {
  const head = Uint8Array.of(keyframe ? 0x17 : 0x27, 1, 0, 0, 0);
  return flvTag(9, timestampMs, concat([head, opaque(length - 20, timestampMs * 1000)]));
}
