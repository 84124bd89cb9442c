// An elementary stream inside a transport stream (ISO/IEC 13818-1): the PES packet it is in, whether a
// decoder can start with the access unit that begins there, and what it has to be given before.
// One PES packet is taken as one access unit, or a few audio frames; its payload is looked at no further
// than to the first slice.

import { H264Pictures } from "../annexb/h264.ts";
import { HevcPictures } from "../annexb/hevc.ts";
import { Mpeg2Pictures } from "../annexb/mpeg2.ts";
import { NalScanner, type NalSink } from "../annexb/nal.ts";
import { type Entry, type EntrySink, type Mark, markAt, type Pictures } from "../annexb/pictures.ts";
import { concat } from "../bytes.ts";
import { isStuffed, packetBytes } from "./packets.ts";
import { type PesHeader, videoPes } from "./pes.ts";
import type { Elementary } from "./psi.ts";

/** PES packets without an entry after which any will do, where the stream gives no sign of one. */
const maxPesWithoutEntry = 250;
/** `Stream.#left` in a PES packet that does not say its length (2.4.3.7: video only). */
const unbounded = -1;
/** Time stamps have 33 bits (2.4.3.7), and are ticks of 90 kHz. */
const timeWrap = 2 ** 33;
/** The time from one access unit to the next: at most, and if it is not known. */
const maxDuration = 90_000;
const usualDuration = 3600;

const nothing = new Uint8Array(0);
/** Where nothing is known but that a decoder can start. */
const plainEntry: Entry = { parameters: nothing, complete: true, ending: nothing, bridge: undefined };

/** An elementary stream, and the PES packet it is in. */
export class Stream implements NalSink, EntrySink {
  readonly pid: number;
  readonly kind: Elementary["kind"];
  codec: string;
  /** Bytes that the PES packet at hand still lacks; 0: none at hand; or `unbounded`. */
  #left = 0;
  #since = 0;
  /** Whether the payload is still looked at for the PES packet's first picture. */
  #probing = false;
  readonly pictures: Pictures | undefined;
  readonly #scanner: NalScanner | undefined;
  readonly #found: (stream: Stream, mark: Mark, entry: Entry | undefined) => void;
  #mark: Mark = markAt(0);
  /** Bytes of the PES header that are still to come. */
  #headerLeft = 0;
  #entered = false;

  /** `found` is called for each picture: with an entry if a decoder can start there, perhaps later; else without. */
  constructor(announced: Elementary, found: (stream: Stream, mark: Mark, entry: Entry | undefined) => void) {
    this.pid = announced.pid;
    this.kind = announced.kind;
    this.codec = announced.codec;
    this.#found = found;
    this.pictures = createPictures(announced.codec, this);
    if (this.pictures !== undefined) this.#scanner = new NalScanner(this);
  }

  /** Whether all of the PES packet at hand has come, as far as can be known. */
  get whole(): boolean {
    return this.#left === 0;
  }

  /**
   * A PES packet begins in the packet at `at`, whose payload is from `from` up to `end`; `pes` is undefined if it
   * is scrambled. `lead`: whether its entries are wanted.
   */
  begin(
    bytes: Uint8Array,
    at: number,
    from: number,
    end: number,
    pes: PesHeader | undefined,
    offset: number,
    lead: boolean,
  ): void {
    this.damaged();
    if (pes === undefined) this.#left = 0;
    else if (pes.bytes > 0) this.#left = Math.max(0, pes.bytes - (end - from));
    else this.#left = isStuffed(bytes, at) ? 0 : unbounded;
    if (this.kind === "audio" && pes !== undefined) this.#learnLayer(bytes, from + pes.headerBytes, end);
    if (!lead) return;
    const flagged = from - at > 5 && (bytes[at + 5] & 0x40) !== 0;
    const pts = pes?.pts ?? -1;
    const dts = pes?.dts ?? -1;
    const duration = dts < 0 || this.#mark.dts < 0 ? 0 : (dts - this.#mark.dts + timeWrap) % timeWrap;
    const mark = { offset, pts, dts, counter: bytes[at + 3] & 15, duration };
    if (this.pictures === undefined || pes === undefined) {
      const frame =
        pes !== undefined && this.kind === "audio" && isFrame(this.codec, bytes, from + pes.headerBytes, end);
      this.#checkFlags(mark, frame || (flagged && this.kind !== "audio"));
    } else if (pts >= 0) {
      this.#mark = mark;
      this.#headerLeft = pes.headerBytes;
      this.#probing = true;
      this.pictures.begin(mark);
      this.pictures.flagged = flagged;
      this.#probe(bytes, from, end);
    }
  }

  /** The PES packet at hand goes on. */
  more(bytes: Uint8Array, at: number, from: number, end: number): void {
    if (this.#left > 0) this.#left = Math.max(0, this.#left - (end - from));
    else if (this.#left === unbounded && isStuffed(bytes, at)) this.#left = 0;
    if (this.#probing) this.#probe(bytes, from, end);
  }

  /** The next PES packet is there: a last short unit of the one before counts. */
  finish(): void {
    if (this.#probing) this.#scanner?.finish();
    this.#probing = false;
  }

  /** Bytes were lost: what was begun is not looked at further. */
  damaged(): void {
    this.#probing = false;
    this.#scanner?.reset();
  }

  #probe(bytes: Uint8Array, from: number, end: number): void {
    const start = Math.min(from + this.#headerLeft, end);
    this.#headerLeft -= start - from;
    this.#scanner?.feed(bytes, start, end, 0);
    if (this.whole) this.finish();
  }

  /** For codecs whose payload is not looked into. */
  #checkFlags(mark: Mark, entry: boolean): void {
    this.#since = entry || this.#since >= maxPesWithoutEntry ? 0 : this.#since + 1;
    this.#found(this, mark, this.#since === 0 ? plainEntry : undefined);
  }

  /** MPEG audio is announced without its layer. */
  #learnLayer(bytes: Uint8Array, at: number, end: number): void {
    if (this.codec === "mp2" && at + 2 <= end && bytes[at] === 0xff && (bytes[at + 1] & 0xe6) === 0xe2)
      this.codec = "mp3";
  }

  wanted(header: number): number {
    return this.pictures?.wanted(header) ?? 1;
  }

  nal(bytes: Uint8Array, length: number, whole: boolean): void {
    if (!this.#probing || this.pictures === undefined) return;
    const step = this.pictures.step(bytes, length);
    if (step === undefined) return;
    this.#entered = false;
    this.pictures.take(bytes, length, whole, step);
    if (step !== "first") return;
    this.#probing = false;
    if (!this.#entered) this.#found(this, this.#mark, undefined);
  }

  entry(mark: Mark, entry: Entry): void {
    this.#entered = mark === this.#mark;
    this.#found(this, mark, entry);
  }
}

function createPictures(codec: string, sink: EntrySink): Pictures | undefined {
  switch (codec) {
    case "h264":
      return new H264Pictures(sink);
    case "hevc":
      return new HevcPictures(sink);
    case "mpeg1video":
    case "mpeg2video":
      return new Mpeg2Pictures(sink);
    default:
      return undefined;
  }
}

/** How many bytes of packets `entry` needs before its access unit, at the most; 0 if it needs nothing. */
export function leadInBytes({ parameters, complete, ending, bridge }: Entry): number {
  if (bridge === undefined && complete && ending.length === 0) return 0;
  const contents = parameters.length + ending.length + (bridge?.maxBytes(0) ?? 0);
  // Each access unit has packets of its own, which are not all full.
  return packetBytes * (Math.ceil(contents / 160) + 3 + 2 * (bridge?.count ?? 0));
}

/** What `entry` needs before the access unit at `mark`, in PES packets. */
export function leadIn(pid: number, mark: Mark, entry: Entry): { start: Uint8Array; resume: Uint8Array } {
  let counter = mark.counter;
  const packets: Uint8Array[] = [];
  const prepend = (content: Uint8Array, pts: number, dts: number) => {
    packets.unshift(videoPes(pid, content, pts, dts, counter));
    counter -= packets[0].length / packetBytes;
  };
  const { pts, dts } = mark;
  const before = (ticks: number) => (dts < 0 ? -1 : (dts - ticks + timeWrap) % timeWrap);
  const units = entry.bridge?.accessUnits() ?? [];
  const count = units.length;
  const duration = mark.duration > 0 && mark.duration < maxDuration ? mark.duration : usualDuration;
  for (let index = count - 1; index >= 0; index--) {
    // Each is a picture with a time of its own, before all that the stream has from there on.
    const time = before((count - index) * duration);
    prepend(concat([...(index === 0 ? [entry.parameters] : []), ...units[index]]), time, time);
  }
  // Decoders count them to the access unit that follows: with its time.
  if (count === 0 && !entry.complete) prepend(entry.parameters, pts, dts);
  const start = concat(packets);
  if (entry.ending.length > 0) prepend(entry.ending, pts, dts);
  return { start, resume: concat(packets) };
}

/** Whether an audio frame begins at `at`. */
function isFrame(codec: string, bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 4 > end) return false;
  const word = (bytes[at] << 8) | bytes[at + 1];
  switch (codec) {
    case "aac":
      return (word & 0xfff6) === 0xfff0;
    case "aac_latm":
      // LOAS (ISO/IEC 14496-3, 1.7.2), in it a StreamMuxConfig of its own (useSameStreamMux 0).
      return (word & 0xffe0) === 0x56e0 && bytes[at + 3] < 0x80;
    case "mp2":
    case "mp3":
      return (word & 0xffe0) === 0xffe0;
    case "ac3":
    case "eac3":
      return word === 0x0b77;
    case "dts":
      return word === 0x7ffe;
    case "opus":
      return (word & 0xffe0) === 0x7fe0;
    default:
      return true;
  }
}
