// Follows the pictures of an H.264 track in files (ISO/IEC 14496-15, 5.3.3: parameter sets in `avcC`, each NAL unit
// behind its length), as far as a joiner needs it: where a container's keyframe is a recovery point and no IDR
// (open GOP, periodic intra refresh), decoders are given a bridge first (h264bridge.ts). Of each sample only the
// header of its first slice is read; the rest is passed over.

import { concat, readNumber } from "../bytes.ts";
import { Gather } from "../gather.ts";
import { freePpsId, H264Bridge, References } from "./h264bridge.ts";
import { type Pps, readPps, readSlice, readSps, type Slice, type Sps } from "./h264syntax.ts";
import type { Bridge } from "./pictures.ts";

/** Enough of a slice for its header up to the marking of references, with weights for many of them. */
const sliceBytes = 128;

/** More SPS and PPS than any encoder has at a time: those beyond are as if they were not there. */
const maxParameterSets = 64;

/** Samples for a decoder that starts or goes on at a recovery point, to be given before it; made when they are needed. */
export class AvcBridge {
  readonly #bridge: Bridge;
  readonly #lengthBytes: number;

  constructor(bridge: Bridge, lengthBytes: number) {
    this.#bridge = bridge;
    this.#lengthBytes = lengthBytes;
  }

  /** How many bytes all of them have at the most, with `around` more for each. */
  maxBytes(around: number): number {
    return this.#bridge.maxBytes(this.#lengthBytes + around);
  }

  samples(): Uint8Array[] {
    const units = this.#bridge.accessUnits();
    return units.map((unit) => concat(unit.map((nal) => sampleOf(nal, this.#lengthBytes))));
  }
}

type Stage = "length" | "type" | "unit" | "skip" | "done";

/** The pictures of one track, sample by sample. */
export class AvcTrack {
  readonly #lengthBytes: number;
  readonly #sps = new Map<number, Sps>();
  readonly #pps = new Map<number, Pps>();
  readonly #references = new References();
  readonly #gather = new Gather(sliceBytes);
  #stage: Stage = "done";
  /** Of the NAL unit, what is still to come. */
  #left = 0;
  #isKeyframe = false;
  /** For a decoder that starts or goes on at the present sample; none at an IDR. */
  bridge: AvcBridge | undefined;

  /** A track with the decoder configuration `avcC`; what is broken in it is as if it were not there. */
  constructor(avcC: Uint8Array) {
    this.#lengthBytes = (avcC[4] & 3) + 1;
    let at = 6;
    for (const count of [avcC[5] & 31, undefined]) {
      for (let left = count ?? avcC[at++] ?? 0; left > 0 && at + 2 <= avcC.length; left--) {
        const end = at + 2 + readNumber(avcC, at, 2);
        this.#keep(avcC.subarray(at + 2, end));
        at = end;
      }
    }
  }

  /** A sample begins; `isKeyframe` is what the container says of it. */
  begin(isKeyframe: boolean): void {
    this.#stage = "length";
    this.#gather.start(this.#lengthBytes);
    this.#isKeyframe = isKeyframe;
    this.bridge = undefined;
  }

  /** Whether the present sample's `bridge` is known. */
  get isDone(): boolean {
    return this.#stage === "done";
  }

  /** Takes the next bytes of the sample, from `at` to `end` of `bytes`. */
  take(bytes: Uint8Array, at: number, end: number): void {
    for (let from = at; from < end && this.#stage !== "done"; ) {
      if (this.#stage === "skip") {
        const skipped = Math.min(this.#left, end - from);
        this.#left -= skipped;
        from += skipped;
        if (this.#left === 0) this.#next();
      } else {
        from = this.#gather.take(bytes, from, end);
        if (this.#gather.full) this.#gathered();
      }
    }
  }

  /** The sample is over, or some were lost. */
  end(): void {
    if (this.#stage !== "done") this.#references.take(undefined);
    this.#stage = "done";
  }

  /** Pictures are missing from here on. */
  lose(): void {
    this.#references.take(undefined);
    this.#stage = "done";
    this.bridge = undefined;
  }

  #next(): void {
    this.#stage = "length";
    this.#gather.start(this.#lengthBytes);
  }

  #gathered(): void {
    const { bytes, length } = this.#gather;
    if (this.#stage === "length") {
      this.#left = this.#gather.number(0, this.#lengthBytes);
      if (this.#left === 0) return this.#next();
      this.#stage = "type";
      this.#gather.start(1);
    } else if (this.#stage === "type") {
      const type = bytes[0] & 31;
      const isWanted = type === 1 || type === 2 || type === 5 || type === 7 || type === 8;
      this.#stage = "unit";
      this.#gather.want = isWanted ? Math.min(this.#left, sliceBytes) : 1;
      if (this.#gather.full) this.#gathered();
    } else {
      const type = bytes[0] & 31;
      this.#left -= length;
      if (type === 1 || type === 2 || type === 5) return this.#slice();
      if (this.#left === 0) this.#keep(bytes.subarray(0, length));
      this.#stage = "skip";
      if (this.#left === 0) this.#next();
    }
  }

  #keep(unit: Uint8Array): void {
    const copy = unit.slice();
    const sps = (unit[0] & 31) === 7 ? readSps(copy, copy.length) : undefined;
    const pps = (unit[0] & 31) === 8 ? readPps(copy, copy.length) : undefined;
    if (sps !== undefined) this.#sps.set(sps.id, sps);
    if (pps !== undefined && (this.#pps.has(pps.id) || this.#pps.size < maxParameterSets)) {
      this.#pps.set(pps.id, pps);
    }
  }

  /** The picture's first slice. */
  #slice(): void {
    const { bytes, length } = this.#gather;
    this.#stage = "done";
    if ((bytes[0] & 0x60) === 0) return;
    const slice = readSlice(bytes, length, this.#pps, this.#sps);
    if (slice !== undefined && !slice.idr && this.#isKeyframe) this.bridge = this.#bridgeTo(slice);
    this.#references.take(slice);
  }

  #bridgeTo(slice: Slice): AvcBridge | undefined {
    const frames = this.#references.before(slice);
    if (frames === undefined) return undefined;
    return new AvcBridge(new H264Bridge(frames, slice, freePpsId(this.#pps)), this.#lengthBytes);
  }
}

/** A unit behind a start code of four bytes as it is in samples: behind its length. */
function sampleOf(unit: Uint8Array, lengthBytes: number): Uint8Array {
  const size = unit.length - 4;
  const sample = new Uint8Array(lengthBytes + size);
  sample.set(unit.subarray(4), lengthBytes);
  for (let i = 0; i < lengthBytes; i++) sample[lengthBytes - 1 - i] = size >> (8 * i);
  return sample;
}
