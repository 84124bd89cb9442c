// Program specific information of a transport stream (ISO/IEC 13818-1, 2.4.4): sections out of packets,
// the program association table (2.4.4.3) and program map tables (2.4.4.8), and sections back into packets.

/** A PSI section is at most this long (2.4.4.3, 2.4.4.8: section_length at most 1021), bytes. */
const maxSectionBytes = 1024;
const packetBytes = 188;

const crcTable = Int32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  return crc;
});

/** Whether the CRC_32 (annex A) that a section of `length` bytes ends in is right. */
export function sectionIsWhole(section: Uint8Array, length: number): boolean {
  let crc = -1;
  for (let index = 0; index < length; index++) crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ section[index]];
  return crc === 0;
}

/** Puts the sections of one PID together. Only whole ones, in the long form and with a right CRC, come out. */
export class Sections {
  readonly #take: (section: Uint8Array) => void;
  readonly #bytes = new Uint8Array(maxSectionBytes);
  #length = 0;
  #open = false;
  #counter = -1;

  /** `take` gets each section in a buffer that is reused afterwards. */
  constructor(take: (section: Uint8Array) => void) {
    this.#take = take;
  }

  /** The payload of the PID's next packet: `bytes` from `from` up to `to`; its start flag and continuity counter. */
  feed(bytes: Uint8Array, from: number, to: number, start: boolean, counter: number): void {
    // A packet may be sent twice (2.4.3.3).
    if (!start && counter === this.#counter) return;
    if (counter !== ((this.#counter + 1) & 15)) this.#open = false;
    this.#counter = counter;
    if (!start) {
      if (this.#open) this.#append(bytes, from, to);
      return;
    }
    const first = from + 1 + bytes[from];
    if (first > to) {
      this.#open = false;
      return;
    }
    if (this.#open) this.#append(bytes, from + 1, first);
    this.#length = 0;
    this.#open = true;
    this.#append(bytes, first, to);
  }

  #append(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to && this.#open; at++) {
      // Stuffing follows the last section (2.4.4.1); a table_id is never ff.
      if (this.#length === 0 && bytes[at] === 0xff) this.#open = false;
      else {
        this.#bytes[this.#length++] = bytes[at];
        this.#finish();
      }
    }
  }

  #finish(): void {
    if (this.#length < 3) return;
    const length = 3 + (((this.#bytes[1] & 15) << 8) | this.#bytes[2]);
    if (length > maxSectionBytes) this.#open = false;
    if (this.#length !== length) return;
    this.#length = 0;
    if ((this.#bytes[1] & 0x80) !== 0 && length >= 12 && sectionIsWhole(this.#bytes, length))
      this.#take(this.#bytes.subarray(0, length));
  }
}

/** Sections of one PID as whole packets, from continuity counter 0 on. */
export function packetise(pid: number, sections: readonly Uint8Array[]): Uint8Array {
  const packets: Uint8Array[] = [];
  for (const section of sections) {
    // The first packet's payload begins with a pointer_field of 0.
    for (let at = -1; at < section.length; at += packetBytes - 4) {
      const packet = new Uint8Array(packetBytes).fill(0xff);
      packet[0] = 0x47;
      packet[1] = (at < 0 ? 0x40 : 0) | (pid >> 8);
      packet[2] = pid & 0xff;
      packet[3] = 0x10 | (packets.length & 15);
      if (at < 0) packet[4] = 0;
      packet.set(section.subarray(Math.max(at, 0), at + packetBytes - 4), at < 0 ? 5 : 4);
      packets.push(packet);
    }
  }
  const joined = new Uint8Array(packets.length * packetBytes);
  packets.forEach((packet, index) => {
    joined.set(packet, index * packetBytes);
  });
  return joined;
}

/** A program's number and the PID of its map, from a program association section; undefined if it is none. */
export function readPat(section: Uint8Array): { program: number; pid: number }[] | undefined {
  // Current, and the first: further ones have programs beyond the 253rd.
  if (section[0] !== 0 || (section[5] & 1) === 0 || section[6] !== 0) return undefined;
  const programs = [];
  for (let at = 8; at + 4 <= section.length - 4; at += 4) {
    const program = (section[at] << 8) | section[at + 1];
    // Program 0 is the network information table.
    if (program !== 0) programs.push({ program, pid: ((section[at + 2] & 31) << 8) | section[at + 3] });
  }
  return programs;
}

/** An elementary stream as a program map announces it. */
export interface Elementary {
  readonly pid: number;
  /** ffmpeg's short name; "unknown" if it is none of those known here. */
  readonly codec: string;
  readonly kind: "video" | "audio" | "other";
}

/** The program number and elementary streams of a program map section; undefined if it is none. */
export function readPmt(section: Uint8Array): { program: number; streams: Elementary[] } | undefined {
  if (section[0] !== 2 || (section[5] & 1) === 0 || section.length < 16) return undefined;
  const end = section.length - 4;
  const streams: Elementary[] = [];
  let at = 12 + (((section[10] & 15) << 8) | section[11]);
  while (at + 5 <= end) {
    const pid = ((section[at + 1] & 31) << 8) | section[at + 2];
    const next = at + 5 + (((section[at + 3] & 15) << 8) | section[at + 4]);
    if (next > end) break;
    const [kind, codec] = streamCodec(section[at], section, at + 5, next);
    streams.push({ pid, kind, codec });
    at = next;
  }
  return { program: (section[3] << 8) | section[4], streams };
}

type Codec = readonly [Elementary["kind"], string];
const unknown: Codec = ["other", "unknown"];

/** stream_type (table 2-34, and what ATSC A/53, SCTE and Blu-ray assign of the user private range). */
const byType = new Map<number, Codec>([
  [0x01, ["video", "mpeg1video"]],
  [0x02, ["video", "mpeg2video"]],
  [0x03, ["audio", "mp2"]],
  [0x04, ["audio", "mp2"]],
  [0x0f, ["audio", "aac"]],
  [0x10, ["video", "mpeg4"]],
  [0x11, ["audio", "aac_latm"]],
  [0x15, ["other", "timed_id3"]],
  [0x1b, ["video", "h264"]],
  [0x1c, ["audio", "aac"]],
  [0x20, ["video", "h264"]],
  [0x21, ["video", "jpeg2000"]],
  [0x24, ["video", "hevc"]],
  [0x33, ["video", "vvc"]],
  [0x42, ["video", "cavs"]],
  [0x81, ["audio", "ac3"]],
  [0x82, ["audio", "dts"]],
  [0x86, ["other", "scte_35"]],
  [0x87, ["audio", "eac3"]],
  [0xd1, ["video", "dirac"]],
  [0xd2, ["video", "avs2"]],
  [0xea, ["video", "vc1"]],
]);

/** descriptor_tag (ETSI EN 300 468, table 12), for private data. */
const byTag = new Map<number, Codec>([
  [0x56, ["other", "dvb_teletext"]],
  [0x59, ["other", "dvb_subtitle"]],
  [0x6a, ["audio", "ac3"]],
  [0x7a, ["audio", "eac3"]],
  [0x7b, ["audio", "dts"]],
  [0x7c, ["audio", "aac"]],
]);

/** format_identifier of a registration descriptor (2.6.8), tag 5. */
const byRegistration = new Map<string, Codec>([
  ["AC-3", ["audio", "ac3"]],
  ["EAC3", ["audio", "eac3"]],
  ["Opus", ["audio", "opus"]],
  ["HEVC", ["video", "hevc"]],
  ["AV01", ["video", "av1"]],
  ["VC-1", ["video", "vc1"]],
  ["DTS1", ["audio", "dts"]],
  ["DTS2", ["audio", "dts"]],
  ["DTS3", ["audio", "dts"]],
  ["BSSD", ["audio", "s302m"]],
  ["KLVA", ["other", "klv"]],
  ["ID3 ", ["other", "timed_id3"]],
]);

function streamCodec(type: number, section: Uint8Array, from: number, to: number): Codec {
  const known = byType.get(type);
  if (known !== undefined) return known;
  for (let at = from; at + 2 <= to; at += 2 + section[at + 1]) {
    const found =
      section[at] === 5 && at + 6 <= to
        ? byRegistration.get(String.fromCharCode(...section.subarray(at + 2, at + 6)))
        : byTag.get(section[at]);
    if (found !== undefined) return found;
  }
  return unknown;
}
