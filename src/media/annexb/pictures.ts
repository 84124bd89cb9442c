// What the pictures of a coding standard have in common where one looks for places where a decoder can start: the
// streams of units of annexb.ts, and the PES packets of mpegts/elementary.ts. See h264.ts, hevc.ts, mpeg2.ts.

/** A picture's size in pixels, as a sequence parameter set says it after cropping. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * What a unit means where pictures are looked for: "before" belongs to the picture that follows, "first" is a
 * picture's first slice, "inside" everything else.
 */
export type Step = "before" | "first" | "inside";

/** Where an access unit begins. */
export interface Mark {
  /** Absolute offset. */
  readonly offset: number;
  /** Presentation and decoding time stamp, ticks of 90 kHz, 33 bits; -1: none. */
  readonly pts: number;
  readonly dts: number;
  /** Continuity counter of its first packet; 0 outside of a transport stream. */
  readonly counter: number;
  /** Ticks since the access unit before it; 0 if not known. */
  readonly duration: number;
}

/** A mark of which nothing is known but the offset. */
export function markAt(offset: number): Mark {
  return { offset, pts: -1, dts: -1, counter: 0, duration: 0 };
}

/** Receives the places where a decoder can start. */
export interface EntrySink {
  /**
   * A decoder can start with the access unit that `begin` announced with `mark`, if it is given `entry` first.
   * Perhaps called some pictures later than `begin`, but in order.
   */
  entry(mark: Mark, entry: Entry): void;
}

/** What has to come before an access unit where a decoder starts. Units with their start codes. */
export interface Entry {
  /** The parameter sets that count there. */
  readonly parameters: Uint8Array;
  /** Whether the access unit carries them itself. */
  readonly complete: boolean;
  /** For a decoder in mid-stream, before the parameter sets: ends the coded sequence. Mostly empty. */
  readonly ending: Uint8Array;
  /** Pictures to be decoded after the parameter sets. Mostly none. */
  readonly bridge: Bridge | undefined;
}

/** Pictures that a decoder is given before a place where it can't start otherwise; made when they are needed. */
export interface Bridge {
  /** How many access units there are. */
  readonly count: number;
  /** How many bytes all of them have at the most, with `around` more for each unit in them. */
  maxBytes(around: number): number;
  /** The units of each access unit, with their start codes; in the first also the parameter sets of its own. */
  accessUnits(): Uint8Array[][];
}

/** One coding standard's pictures: fed with units, it calls its `EntrySink`. See h264.ts, hevc.ts, mpeg2.ts. */
export interface Pictures {
  /** As `NalSink.wanted`. */
  wanted(header: number): number;
  /** What the unit is; `undefined` if it can't be one. */
  step(bytes: Uint8Array, length: number): Step | undefined;
  /** An access unit begins: everything taken from now on belongs to it. */
  begin(mark: Mark): void;
  /** The next unit, whose step is known; its bytes are not kept. */
  take(bytes: Uint8Array, length: number, whole: boolean, step: Step): void;
  /** The stream itself says that a decoder can start with this access unit (a container's flag). */
  flagged: boolean;
  /** As the last parameter set said it. */
  readonly size: Size | undefined;
  /** Bytes of memory that it keeps of the stream. */
  readonly heldBytes: number;
}
