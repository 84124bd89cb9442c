// PES packets (ISO/IEC 13818-1, 2.4.3.6): the fields of a header that matter here, and packets of our own
// around a few bytes of a video stream, for what a joiner has to be given before a keyframe.

import { concat } from "../bytes.ts";

const packetBytes = 188;
const payloadBytes = packetBytes - 4;
const videoStreamId = 0xe0;

/** The start of a PES packet. */
export interface PesHeader {
  /** Bytes of the whole PES packet; 0 if it does not say. */
  readonly bytes: number;
  /** Bytes of the header. */
  readonly headerBytes: number;
  /** Ticks of 90 kHz, 33 bits; -1 if it has none. */
  readonly pts: number;
  readonly dts: number;
}

/** The PES header at the start of a packet's payload, `bytes` from `at` up to `end`; undefined if there is none. */
export function readPes(bytes: Uint8Array, at: number, end: number): PesHeader | undefined {
  if (at + 9 > end || bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) return undefined;
  const length = (bytes[at + 4] << 8) | bytes[at + 5];
  const whole = length === 0 ? 0 : length + 6;
  if (!hasFlags(bytes[at + 3])) return { bytes: whole, headerBytes: 6, pts: -1, dts: -1 };
  const flags = bytes[at + 7] >> 6;
  const headerBytes = 9 + bytes[at + 8];
  const pts = flags >= 2 && at + 14 <= end ? readTime(bytes, at + 9) : -1;
  const dts = flags === 3 && at + 19 <= end ? readTime(bytes, at + 14) : pts;
  return { bytes: whole, headerBytes, pts, dts };
}

/** Whether a PES packet of this stream_id has the optional header (2.4.3.7). */
function hasFlags(streamId: number): boolean {
  switch (streamId) {
    case 0xbc:
    case 0xbe:
    case 0xbf:
    case 0xf0:
    case 0xf1:
    case 0xf2:
    case 0xf8:
    case 0xff:
      return false;
    default:
      return true;
  }
}

function readTime(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] >> 1) & 7) * 2 ** 30 +
    ((bytes[at + 1] << 22) | ((bytes[at + 2] >> 1) << 15) | (bytes[at + 3] << 7) | (bytes[at + 4] >> 1))
  );
}

/**
 * `content` as one PES packet of `pid` in whole transport packets. The continuity counters run up to the one
 * before `nextCounter`. Without time stamps if `pts` is -1.
 */
export function videoPes(
  pid: number,
  content: Uint8Array,
  pts: number,
  dts: number,
  nextCounter: number,
): Uint8Array {
  const times = pts < 0 ? [] : pts === dts ? [time(2, pts)] : [time(3, pts), time(1, dts)];
  const timeBytes = times.length * 5;
  const length = 3 + timeBytes + content.length;
  const head = new Uint8Array([
    0,
    0,
    1,
    videoStreamId,
    // Video may leave out the length where it does not fit.
    ...(length > 0xffff ? [0, 0] : [length >> 8, length & 0xff]),
    0x80,
    times.length === 2 ? 0xc0 : times.length === 1 ? 0x80 : 0,
    timeBytes,
  ]);
  const pes = concat([head, ...times, content]);
  const count = Math.ceil(pes.length / payloadBytes);
  const packets = new Uint8Array(count * packetBytes).fill(0xff);
  for (let index = 0; index < count; index++) {
    const payload = pes.subarray(index * payloadBytes, (index + 1) * payloadBytes);
    const at = index * packetBytes;
    const stuffing = payloadBytes - payload.length;
    packets[at] = 0x47;
    packets[at + 1] = (index === 0 ? 0x40 : 0) | (pid >> 8);
    packets[at + 2] = pid & 0xff;
    packets[at + 3] = (stuffing > 0 ? 0x30 : 0x10) | ((nextCounter - count + index) & 15);
    // An adaptation field of nothing but stuffing (2.4.3.5).
    if (stuffing > 0) packets[at + 4] = stuffing - 1;
    if (stuffing > 1) packets[at + 5] = 0;
    packets.set(payload, at + packetBytes - payload.length);
  }
  return packets;
}

function time(prefix: number, ticks: number): Uint8Array {
  const high = Math.floor(ticks / 2 ** 30) & 7;
  return new Uint8Array([
    (prefix << 4) | (high << 1) | 1,
    (ticks / 2 ** 22) & 0xff,
    ((ticks / 2 ** 14) & 0xfe) | 1,
    (ticks / 2 ** 7) & 0xff,
    ((ticks * 2) & 0xfe) | 1,
  ]);
}
