// H.264 and HEVC elementary streams (Annex B of ITU-T H.264 and H.265): NAL units with start codes, no
// container around them. What the units mean is in h264.ts and hevc.ts, which also export the containers.
//
//   header  the parameter sets that count at the join; in mid-stream before them what ends the sequence, for
//           recovery points after them a bridge (h264bridge.ts)
//   join    the start code of the first unit of an access unit with which a decoder can start
//   unit    the same of any access unit
//
// An access unit begins with the first unit after a picture that can't belong to that picture (7.4.1.2.3 of
// H.264, 7.4.2.4.4 of H.265).

import { concat } from "../bytes.ts";
import {
  type Container,
  type Detector,
  type Header,
  LazyHeader,
  type Sink,
  type StreamInfo,
  sniffLimit,
} from "../detector.ts";
import { Pace } from "../pace.ts";
import { NalScanner, type NalSink } from "./nal.ts";
import { type Entry, type EntrySink, type Mark, markAt, type Pictures, type Size } from "./pictures.ts";

/** Bytes without the first slice of a picture after which the stream is given up: no picture is that large. */
const maxWithoutPicture = 8 * 1024 * 1024;
/** So many units one after the other that have fewer than so many bytes on average are no video. */
const unitsInRow = 4096;
const leastUnitBytes = 8;
/** Zeros that may stand before the very first start code. */
const maxLeadingZeros = 16;

/** What makes an Annex B container of a coding standard. */
export interface Coding {
  readonly name: string;
  readonly mediaType: string;
  createPictures(sink: EntrySink): Pictures;
  /** Looks at a stream's first units, one after the other. */
  createSniffer(): UnitSniffer;
}

/** Tells a coding standard by a stream's first units. */
export interface UnitSniffer {
  /** Takes a unit as `NalSink.nal` does: "yes" once there is no doubt, "no" if the standard has no such unit. */
  take(bytes: Uint8Array, length: number, whole: boolean): "yes" | "no" | "more";
}

/** The container of `coding`: it has to begin with a start code, and with units that make sense up to a slice. */
export function annexb(coding: Coding): Container {
  return {
    name: coding.name,
    sniff: (start) => sniff(start, coding),
    create: (sink) => new AnnexbDetector(coding, sink),
  };
}

function sniff(start: Uint8Array, coding: Coding): "yes" | "no" | "more" {
  let zeros = 0;
  while (zeros < start.length && start[zeros] === 0) zeros++;
  if (zeros > maxLeadingZeros) return "no";
  if (zeros < start.length && (zeros < 2 || start[zeros] !== 1)) return "no";
  const sniffer = coding.createSniffer();
  const pictures = coding.createPictures({ entry: () => undefined });
  let verdict: "yes" | "no" | "more" = "more";
  const scanner = new NalScanner({
    wanted: (header) => pictures.wanted(header),
    nal: (bytes, length, whole) => {
      if (verdict === "more") verdict = sniffer.take(bytes, length, whole);
    },
  });
  scanner.feed(start, 0, start.length, 0);
  return verdict === "more" && start.length >= sniffLimit ? "no" : verdict;
}

class AnnexbDetector implements Detector, NalSink, EntrySink {
  readonly info: StreamInfo;
  lost = false;
  readonly #sink: Sink;
  readonly #pictures: Pictures;
  readonly #scanner = new NalScanner(this);
  /** Whether the access unit at hand has its picture already, so that the next "before" begins another. */
  #pictured = true;
  #pictureOffset = -1;
  /** Units of the row at hand, and where it began. */
  #units = 0;
  #rowOffset = 0;
  #entry: Entry | undefined;
  #size: Size | undefined;
  readonly #pace = new Pace();

  constructor(coding: Coding, sink: Sink) {
    this.#sink = sink;
    this.#pictures = coding.createPictures(this);
    this.info = { container: coding.name, mediaType: coding.mediaType, codecs: [coding.name], damaged: 0 };
  }

  feed(bytes: Uint8Array, offset: number): void {
    if (this.#pictureOffset < 0) this.#pictureOffset = offset;
    if (!this.lost) this.#scanner.feed(bytes, 0, bytes.length, offset);
    this.#checkPictures(offset + bytes.length);
  }

  wanted(header: number): number {
    return this.#pictures.wanted(header);
  }

  nal(bytes: Uint8Array, length: number, whole: boolean, offset: number): void {
    this.#checkPictures(offset);
    this.#checkUnits(offset);
    if (this.lost) return;
    const step = this.#pictures.step(bytes, length);
    if (step === undefined) this.info.damaged++;
    if (step === undefined || step === "inside") return;
    if (this.#pictured) {
      this.#pictured = false;
      this.#pictures.begin(markAt(offset));
      this.#sink.unit(offset);
    }
    if (step === "first") {
      this.#pictured = true;
      this.#pictureOffset = offset;
    }
    this.#pictures.take(bytes, length, whole, step);
    const { size } = this.#pictures;
    if (size === this.#size) return;
    this.#size = size;
    Object.assign(this.info, size);
  }

  #checkPictures(offset: number): void {
    this.lost ||= offset - this.#pictureOffset > maxWithoutPicture;
  }

  #checkUnits(offset: number): void {
    if (++this.#units < unitsInRow) return;
    this.lost ||= offset - this.#rowOffset < unitsInRow * leastUnitBytes;
    this.#units = 0;
    this.#rowOffset = offset;
  }

  get heldBytes(): number {
    return this.#pictures.heldBytes;
  }

  entry(mark: Mark, entry: Entry): void {
    const old = this.#entry;
    const same = old?.parameters === entry.parameters && old.ending === entry.ending;
    if (!same || old.bridge !== undefined || entry.bridge !== undefined) {
      const header = headerOf(entry);
      if (!this.#pace.allowsHeader(mark.offset, header)) return;
      this.#entry = entry;
      this.#sink.header(header);
    }
    this.#sink.join(mark.offset);
  }
}

function headerOf({ parameters, ending, bridge }: Entry): Header {
  if (bridge === undefined && ending.length === 0) {
    return { start: parameters, resume: parameters, fixed: "", bytes: parameters.length };
  }
  const bytes = 2 * (parameters.length + (bridge?.maxBytes(0) ?? 0)) + ending.length;
  return new LazyHeader(bytes, "", () => {
    const start = concat([parameters, ...(bridge?.accessUnits().flat() ?? [])]);
    return { start, resume: concat([ending, start]) };
  });
}
