// Streams with a header that says which codecs they have: fragmented MP4 and WebM are played as they are, Matroska with other
// codecs than WebM's is made into fragmented MP4.

import { FragmentWriter, isWritable } from "./fragmentwriter.ts";
import { MatroskaFrames } from "./matroskaframes.ts";
import { readMatroskaHeader } from "./matroskaheader.ts";
import { canPlay, MediaSourceSink } from "./mediasource.ts";
import { readMp4Header } from "./mp4header.ts";
import type { Sink, SinkListener } from "./sink.ts";
import type { Track } from "./track.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How a stream whose header is known gets into Media Source. */
interface Conversion {
  readonly container: "mp4" | "webm";
  readonly tracks: readonly Track[];
  /** The codec of a track that there is no way to play. */
  readonly unplayable?: string | undefined;
  /** Of the next bytes, from the stream's first on, what is to be appended. Throws if the stream does not go on. */
  readonly convert: (bytes: Bytes) => Bytes;
  /** What is to be appended in the end. */
  readonly end?: () => Bytes;
}

/** Looks for a header in the stream's first bytes. "more": it is not whole yet. Undefined: there is none. */
type Reader = (bytes: Bytes) => Conversion | "more" | undefined;

/** Fragmented MP4. */
export const readMp4: Reader = (bytes) => {
  const header = readMp4Header(bytes);
  if (header === undefined || header === "more") return header;
  return { container: "mp4", tracks: header.tracks, convert: (piece) => piece };
};

/** WebM and Matroska. */
export const readMatroska: Reader = (bytes) => {
  const header = readMatroskaHeader(bytes);
  if (header === undefined || header === "more") return header;
  const { tracks, tickNs } = header;
  if (header.isWebm) return { container: "webm", tracks, convert: (piece) => piece };
  const writer = new FragmentWriter(tracks, tickNs);
  const frames = new MatroskaFrames();
  let isFirst = true;
  const convert = (piece: Bytes): Bytes => {
    if (!isFirst) return writer.fragments(frames.feed(piece));
    isFirst = false;
    return joined(writer.header(), writer.fragments(frames.feed(piece.subarray(header.bytes))));
  };
  const unplayable = tracks.find((track) => !isWritable(track))?.codec;
  return { container: "mp4", tracks, unplayable, convert, end: () => writer.end() };
};

/** Gathers the stream's header, then plays all of it through Media Source. */
export class HeadedSink implements Sink {
  readonly #media: HTMLMediaElement;
  readonly #read: Reader;
  readonly #listener: SinkListener;
  #gathered: Bytes = new Uint8Array(0);
  #conversion: Conversion | undefined;
  #sink: Sink | undefined;
  #isOver = false;

  constructor(media: HTMLMediaElement, read: Reader, listener: SinkListener) {
    this.#media = media;
    this.#read = read;
    this.#listener = listener;
  }

  append(bytes: Bytes): void {
    if (this.#isOver) return;
    if (this.#conversion !== undefined) return this.#pass(this.#conversion, bytes);
    this.#gathered = joined(this.#gathered, bytes);
    const found = this.#read(this.#gathered);
    if (found === "more") return;
    const gathered = this.#gathered;
    this.#gathered = new Uint8Array(0);
    if (found === undefined || found.tracks.length === 0)
      return this.#giveUp(() => this.#listener.failed("the stream has no header"));
    this.#begin(found);
    if (!this.#isOver) this.#pass(found, gathered);
  }

  end(): void {
    const rest = this.#conversion?.end?.();
    if (rest !== undefined && rest.length > 0) this.#sink?.append(rest);
    this.#sink?.end();
  }

  destroy(): void {
    this.#isOver = true;
    this.#sink?.destroy();
  }

  #begin(conversion: Conversion): void {
    const { container, tracks } = conversion;
    const hasVideo = tracks.some(({ kind }) => kind === "video");
    const typeOf = (codecs: readonly string[]) =>
      `${hasVideo ? "video" : "audio"}/${container}; codecs="${codecs.join(",")}"`;
    const codecs = tracks.map(({ codec }) => codec);
    this.#listener.hasSound(tracks.some(({ kind }) => kind === "audio"));
    const unplayable = conversion.unplayable ?? codecs.find((codec) => !canPlay(typeOf([codec])));
    if (unplayable !== undefined || !canPlay(typeOf(codecs)))
      return this.#giveUp(() => this.#listener.unplayable(unplayable ?? codecs.join(", ")));
    this.#conversion = conversion;
    this.#sink = new MediaSourceSink(this.#media, typeOf(codecs), this.#listener);
  }

  #pass({ convert }: Conversion, bytes: Bytes): void {
    try {
      const converted = convert(bytes);
      if (converted.length > 0) this.#sink?.append(converted);
    } catch (error) {
      this.#giveUp(() => this.#listener.failed((error as Error).message));
    }
  }

  #giveUp(report: () => void): void {
    this.#isOver = true;
    report();
  }
}

/** Both, as one. */
function joined(first: Bytes, second: Bytes): Bytes {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
