// What the relay wants to know of a stream's bytes, and nothing else: where a decoder can start (join
// points), what it must be given first (the header), and where a stream can be cut without leaving half
// of something behind (unit ends). Each container has a file of its name, FAMILY/CONTAINER.ts, that exports a
// `Container`; containers.ts lists them, sniffer.ts finds out which one a stream is.
//
//   bytes ->  [header][unit][unit][unit][unit][unit] ...
//                     ^join             ^join          offsets are absolute: bytes since the channel began
//                           ^     ^     ^     ^        unit ends (most join points are, too)
//
// Detectors are pure: bytes in, calls on a `Sink` out. They see each byte once, in order, in pieces of
// any size; the answers do not depend on the pieces. They keep a small bounded state, never the bytes
// (but for headers), never throw and never loop whatever the bytes are.

/**
 * What has to come before the bytes at a join point. The buffers are never changed once handed out. One that takes
 * work or memory is a `LazyHeader`, and there is no more than one for as many bytes of the stream as it is long (pace.ts).
 */
export interface Header {
  /** For a watcher that starts here: the whole container header. Empty where the format needs none. */
  readonly start: Uint8Array;
  /**
   * For a watcher in mid-stream (a skip, a return): only what the format allows to be repeated, such as
   * PAT and PMT, parameter sets, FLV sequence tags. Empty where nothing may be repeated.
   */
  readonly resume: Uint8Array;
  /**
   * The fingerprint of the part that can never be repeated in mid-stream (the EBML head with Tracks, the moov), empty
   * where there is none. A watcher that got one such header can't go on in a stream with another.
   */
  readonly fixed: string;
  /**
   * For a watcher in mid-stream that has been given another `fixed`, where the format lets a stream begin anew behind
   * another; it takes the place of `resume`.
   */
  readonly chain?: Uint8Array;
  /** The memory that it takes, made or not: all its buffers together have at most so many bytes. */
  readonly bytes: number;
}

/** The header of streams that need none. */
export const noHeader: Header = {
  start: new Uint8Array(0),
  resume: new Uint8Array(0),
  fixed: "",
  bytes: 0,
};

/** A header that is made, once, when a watcher needs it. */
export class LazyHeader implements Header {
  readonly fixed: string;
  readonly bytes: number;
  readonly #make: () => Pick<Header, "start" | "resume">;
  #made: Pick<Header, "start" | "resume"> | undefined;

  /** `make` gives buffers of at most `bytes` bytes in all, from what does not change any more. */
  constructor(bytes: number, fixed: string, make: () => Pick<Header, "start" | "resume">) {
    this.bytes = bytes;
    this.fixed = fixed;
    this.#make = make;
  }

  get start(): Uint8Array {
    this.#made ??= this.#make();
    return this.#made.start;
  }

  get resume(): Uint8Array {
    this.#made ??= this.#make();
    return this.#made.resume;
  }
}

/** What is cheap to know of a stream; what is not known is left out. Filled in as it becomes known. */
export interface StreamInfo {
  /** Short name for people, logs and metrics: "mpegts", "h264", "matroska", "webm", "fmp4", "flv", "ogg", ... */
  container: string;
  /** Media type for HTTP's Content-Type, e.g. "video/mp2t"; "application/octet-stream" if unknown. */
  mediaType: string;
  /** Codecs in the order of the tracks, short names as ffmpeg has them: "h264", "hevc", "aac", "opus", ... */
  codecs: string[];
  /** Pixels. */
  width?: number;
  height?: number;
  /** How many times the detector met bytes that break the format and had to find its place again. */
  damaged: number;
  /** Why the stream can't be followed, or not any longer, where that is for a limit of ours. A few words. */
  problem?: string;
}

/** Receives what a detector finds. All offsets are absolute, and each kind of call has rising offsets. */
export interface Sink {
  /** From here on joins need this header: it holds for every `join` reported after this call. */
  header(header: Header): void;
  /**
   * A decoder that is given the header and then the bytes from `offset` on shows a picture (or plays)
   * at once and without an error. `offset` may lie behind what was fed: a keyframe is often known as one only
   * some bytes later. It is also a unit end, unless it lies `within` a unit, as a keyframe in mid-cluster does.
   */
  join(offset: number, within?: boolean): void;
  /** The stream can be cut before `offset`: what was sent is whole, what follows begins something new. */
  unit(offset: number): void;
  /**
   * For watchers that did not get the stream from its first byte, `bytes` stand in place of as many at `offset`: what is
   * there tells places by their distance from the first byte. `bytes` are never changed once handed out.
   */
  patch?(offset: number, bytes: Uint8Array): void;
}

export interface Detector {
  readonly info: StreamInfo;
  /**
   * Takes the next bytes; `offset` is the absolute offset of the first of them. The buffer belongs to the
   * caller and is not kept. Never throws.
   */
  feed(bytes: Uint8Array, offset: number): void;
  /**
   * True once the bytes have turned out not to be this container after all, or to be damaged beyond
   * finding the way again: the stream is then treated as opaque.
   */
  readonly lost: boolean;
  /** Bytes of memory that it keeps of the stream, the headers that it handed out included; 0 if left out. */
  readonly heldBytes?: number;
  /**
   * From this offset on a patch may still be reported for bytes that were fed; none can be if it is left out or infinite.
   * What is before it ends with a whole unit, or at another place where a stream can stop.
   */
  readonly unpatchedFrom?: number;
  /**
   * For a stream that was cut off here: what makes the unit at hand as long as it was announced to be, so that another
   * stream's `resume` and join can follow, and its player is not still inside of this one. The unit itself remains damaged.
   * Empty where nothing is missing, or more than `maxPaddingBytes`. In parts, which are not to be changed.
   */
  padding?(): readonly Uint8Array[];
}

/** One container: how it is recognised and how it is followed. */
export interface Container {
  readonly name: string;
  /**
   * Whether the stream whose first bytes are `start` is this container: "yes", "no", or "more" if more bytes
   * are needed to tell. Must say "yes" or "no" by `sniffLimit` bytes at the latest, and must not say "yes" to
   * random bytes or text by chance.
   */
  sniff(start: Uint8Array): "yes" | "no" | "more";
  /** A detector for a stream that begins at the first byte fed. */
  create(sink: Sink): Detector;
}

/** A sniffer sees at most this many first bytes before a stream counts as opaque. */
export const sniffLimit = 65_536;

/** A header kept for joiners is at most this large; a larger one makes a detector `lost`. Bytes. */
export const maxHeaderBytes = 4 * 1024 * 1024;

/** A unit that lacks more than this is not padded where a stream was cut off. Bytes. */
export const maxPaddingBytes = 8 * 1024 * 1024;
