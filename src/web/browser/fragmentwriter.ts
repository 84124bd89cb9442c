// Fragmented MP4 (ISO/IEC 14496-12) made of the frames of a Matroska stream, since browsers take H.264, HEVC and AAC through Media
// Source in MP4 alone. Each frame is a fragment of its own, and waits for the next one of its track alone, which says how long it lasts. Pure.

import type { Frame } from "./matroskaframes.ts";
import type { MatroskaTrack } from "./matroskaheader.ts";

const text = new TextEncoder();

/** Whether a track's codec can be put into MP4 by this. */
export function isWritable({ codecId }: MatroskaTrack): boolean {
  return /^(V_MPEG4\/ISO\/AVC|V_MPEGH\/ISO\/HEVC|V_AV1|A_AAC.*|A_OPUS|A_FLAC)$/.test(codecId);
}

/** Samples in a frame, where they are as many in each. */
const samplesOf = (track: MatroskaTrack) => (track.codecId.startsWith("A_AAC") ? 1024 : undefined);
/** A sound frame that is off by so many seconds is not a rounded time, but another time. */
const roundingSeconds = 0.03;
/**
 * Times in the MP4 are that much later, so that none is below 0 although pictures are decoded that long before they are shown.
 * More than any order of pictures needs.
 */
const leadSeconds = 0.5;

/** One track, and when its frames are decoded; in ticks of the MP4. */
interface Clock {
  readonly track: MatroskaTrack;
  readonly id: number;
  /** Ticks a second. */
  readonly timescale: number;
  /** Waits for the next, which says how long it lasts. */
  waiting: { readonly frame: Frame; readonly shown: number; readonly decoded: number } | undefined;
  /** The latest presentation so far. */
  latest: number;
  /** The shortest distance of two presentations. */
  distance: number;
  /** Whether pictures are decoded in another order than they are shown. */
  isReordered: boolean;
}

/** Writes one stream. */
export class FragmentWriter {
  readonly #secondsPerTick: number;
  readonly #clocks: readonly Clock[];
  #sequence = 0;

  /** `tickNs`: nanoseconds for each tick of the frames' times. */
  constructor(tracks: readonly MatroskaTrack[], tickNs: number) {
    this.#secondsPerTick = tickNs / 1e9;
    this.#clocks = tracks.map((track, i) => {
      const timescale = samplesOf(track) === undefined ? 90_000 : Math.round(track.rate);
      const distance = Math.round((track.frameNs / 1e9) * timescale) || Number.POSITIVE_INFINITY;
      const begin = { waiting: undefined, latest: Number.NEGATIVE_INFINITY, isReordered: false };
      return { track, id: i + 1, timescale, distance, ...begin };
    });
  }

  /** What comes before all frames: ftyp and moov. */
  header(): Uint8Array<ArrayBuffer> {
    const zeros = u32(0, 0, 0, 0, 0, 0);
    const movie = full(
      "mvhd",
      0,
      0,
      u32(0, 0, 1000, 0, 0x10000),
      u16(0x100, 0),
      u32(0, 0),
      matrix,
      zeros,
      u32(2 ** 32 - 1),
    );
    const extensions = this.#clocks.map(({ id }) => full("trex", 0, 0, u32(id, 1, 0, 0, 0)));
    const type = box("ftyp", text.encode("iso5"), u32(0x200), text.encode("iso5iso6mp41"));
    return joined([type, box("moov", movie, ...this.#clocks.map(trackBox), box("mvex", ...extensions))]);
  }

  /** The fragments that can be written now that these frames are there; frames of other tracks are left out. */
  fragments(frames: readonly Frame[]): Uint8Array<ArrayBuffer> {
    return joined(
      frames.flatMap((frame) => {
        const clock = this.#clocks.find(({ track }) => track.number === frame.track);
        return clock === undefined ? [] : this.#take(clock, frame);
      }),
    );
  }

  /** The last frame of each track: nothing follows. */
  end(): Uint8Array<ArrayBuffer> {
    return joined(this.#clocks.flatMap((clock) => this.#write(clock, usualDuration(clock))));
  }

  #take(clock: Clock, frame: Frame): Uint8Array[] {
    const shown = Math.round((frame.time * this.#secondsPerTick + leadSeconds) * clock.timescale);
    const decoded = clock.track.kind === "audio" ? soundTime(clock, shown) : pictureTime(clock, shown);
    const gap = clock.waiting === undefined ? 0 : decoded - clock.waiting.decoded;
    // A watcher that was skipped has frames that are far apart, or in the past.
    const written = this.#write(clock, gap > 0 && gap < 10 * clock.timescale ? gap : usualDuration(clock));
    clock.waiting = { frame, decoded, shown: clock.track.kind === "audio" ? decoded : shown };
    return written;
  }

  #write({ id, track, waiting }: Clock, duration: number): Uint8Array[] {
    if (waiting === undefined) return [];
    const { decoded, shown, frame } = waiting;
    // Section 8.8.3.1: depends on no other, or is no sync sample and does.
    const flags = frame.isKeyframe || track.kind === "audio" ? 0x02000000 : 0x01010000;
    this.#sequence++;
    const moof = (dataOffset: number) =>
      box(
        "moof",
        full("mfhd", 0, 0, u32(this.#sequence)),
        box(
          "traf",
          full("tfhd", 0, 0x020000, u32(id)),
          full("tfdt", 1, 0, u32(Math.floor(decoded / 2 ** 32), decoded % 2 ** 32)),
          full("trun", 1, 0xf01, u32(1, dataOffset, duration, frame.data.length, flags, shown - decoded)),
        ),
      );
    return [moof(moof(0).length + 8), box("mdat", frame.data)];
  }
}

function usualDuration({ track, distance, timescale }: Clock): number {
  return samplesOf(track) ?? (Number.isFinite(distance) ? distance : Math.round(timescale / 50));
}

/** Sound: times are rounded, but frames follow each other without gaps. */
function soundTime({ waiting, track, timescale }: Clock, shown: number): number {
  const next = waiting && waiting.decoded + (samplesOf(track) ?? Number.NaN);
  return next !== undefined && Math.abs(shown - next) < roundingSeconds * timescale ? next : shown;
}

/**
 * Pictures: Matroska has the time at which each is shown, MP4 that at which it is decoded as well. Where they come in the order
 * in which they are shown the one is always as long before the other; else they are decoded at their usual distance.
 */
function pictureTime(clock: Clock, shown: number): number {
  const { waiting, latest, timescale } = clock;
  const step = shown - latest;
  const early = shown - leadSeconds * timescale;
  clock.latest = Math.max(latest, shown);
  if (waiting === undefined || Math.abs(step) > 10 * timescale) {
    clock.latest = shown;
    return early;
  }
  if (step !== 0) clock.distance = Math.min(clock.distance, Math.abs(step));
  clock.isReordered ||= step < 0;
  if (clock.isReordered) return Math.max(waiting.decoded + clock.distance, early - timescale);
  return Math.max(waiting.decoded + 1, early);
}

const matrix = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);

function trackBox({ track, id, timescale }: Clock): Uint8Array {
  const { width = 0, height = 0 } = track;
  const isVideo = track.kind === "video";
  const empty = ["stts", "stsc", "stco"].map((type) => full(type, 0, 0, u32(0)));
  return box(
    "trak",
    full(
      "tkhd",
      0,
      3,
      u32(0, 0, id, 0, 0, 0, 0),
      u16(0, 0, isVideo ? 0 : 0x100, 0),
      matrix,
      u32(width * 65536, height * 65536),
    ),
    box(
      "mdia",
      full("mdhd", 0, 0, u32(0, 0, timescale, 0), u16(0x55c4, 0)),
      full("hdlr", 0, 0, u32(0), text.encode(isVideo ? "vide" : "soun"), u32(0, 0, 0), new Uint8Array(1)),
      box(
        "minf",
        isVideo ? full("vmhd", 0, 1, u32(0, 0)) : full("smhd", 0, 0, u32(0)),
        box("dinf", full("dref", 0, 0, u32(1), full("url ", 0, 1))),
        box("stbl", full("stsd", 0, 0, u32(1), sampleEntry(track)), ...empty, full("stsz", 0, 0, u32(0, 0))),
      ),
    ),
  );
}

function sampleEntry(track: MatroskaTrack): Uint8Array {
  const { width = 0, height = 0, rate, channels, codecPrivate } = track;
  const picture = (type: string, configuration: string) =>
    box(
      type,
      u32(0),
      u16(0, 1),
      u32(0, 0, 0, 0),
      u16(width, height),
      u32(0x480000, 0x480000, 0),
      u16(1),
      new Uint8Array(32),
      u16(24, 0xffff),
      box(configuration, codecPrivate),
    );
  const sound = (type: string, configuration: Uint8Array) =>
    box(
      type,
      u32(0),
      u16(0, 1),
      u32(0, 0),
      u16(channels, 16, 0, 0),
      u32(Math.min(rate, 65535) * 65536),
      configuration,
    );
  switch (track.codecId) {
    case "V_MPEG4/ISO/AVC":
      return picture("avc1", "avcC");
    case "V_MPEGH/ISO/HEVC":
      return picture("hvc1", "hvcC");
    case "V_AV1":
      return picture("av01", "av1C");
    case "A_OPUS":
      return sound("Opus", box("dOps", opusBox(codecPrivate)));
    case "A_FLAC":
      return sound("fLaC", full("dfLa", 0, 0, codecPrivate.subarray(4)));
    default:
      return sound("mp4a", full("esds", 0, 0, audioDescriptor(codecPrivate)));
  }
}

/** RFC 7845's header, of which MP4 has the numbers the other way round, and version 0. */
function opusBox(head: Uint8Array): Uint8Array {
  const made = head.slice(8);
  made[0] = 0;
  for (const [at, length] of [
    [2, 2],
    [4, 4],
    [8, 2],
  ])
    made.subarray(at, at + length).reverse();
  return made;
}

/** ES_Descriptor, DecoderConfigDescriptor (AAC), DecoderSpecificInfo, SLConfigDescriptor (ISO/IEC 14496-1, 7.2.6). */
function audioDescriptor(configuration: Uint8Array): Uint8Array {
  const specific = descriptor(5, configuration);
  const decoder = descriptor(4, new Uint8Array([0x40, 0x15, 0, 0, 0]), u32(0, 0), specific);
  return descriptor(3, u16(0), new Uint8Array(1), decoder, descriptor(6, new Uint8Array([2])));
}

function descriptor(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = joined(parts);
  return joined([new Uint8Array([tag, body.length]), body]);
}

function box(type: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, 8);
  return joined([u32(size), text.encode(type), ...parts]);
}

function full(type: string, version: number, flags: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return box(type, u32(version * 2 ** 24 + flags), ...parts);
}

function u32(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value);
  return bytes;
}

function u16(...values: readonly number[]): Uint8Array {
  return new Uint8Array(values.flatMap((value) => [value >> 8, value & 255]));
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
