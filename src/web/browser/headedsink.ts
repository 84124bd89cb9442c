// Streams that a browser plays as they are, once their codecs are known from their own header: fragmented MP4 and WebM.

import { canPlay, MediaSourceSink } from "./mediasource.ts";
import type { Sink, SinkListener } from "./sink.ts";
import type { StreamHeader } from "./track.ts";

/** Gathers the stream's header, then plays all of it through Media Source. */
export class HeadedSink implements Sink {
  readonly #media: HTMLMediaElement;
  readonly #read: (bytes: Uint8Array) => StreamHeader | "more" | undefined;
  readonly #container: string;
  readonly #listener: SinkListener;
  #gathered: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #sink: Sink | undefined;
  #isOver = false;

  /** `read` takes the header apart; `container`: "mp4" or "webm". */
  constructor(
    media: HTMLMediaElement,
    container: "mp4" | "webm",
    read: (bytes: Uint8Array) => StreamHeader | "more" | undefined,
    listener: SinkListener,
  ) {
    this.#media = media;
    this.#container = container;
    this.#read = read;
    this.#listener = listener;
  }

  append(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#sink !== undefined) return this.#sink.append(bytes);
    if (this.#isOver) return;
    this.#gathered = joined(this.#gathered, bytes);
    const header = this.#read(this.#gathered);
    if (header === "more") return;
    if (header === undefined || header.tracks.length === 0)
      return this.#give(() => this.#listener.failed("the stream has no header"));
    this.#begin(header);
  }

  end(): void {
    this.#sink?.end();
  }

  destroy(): void {
    this.#isOver = true;
    this.#sink?.destroy();
  }

  #begin({ tracks }: StreamHeader): void {
    const hasVideo = tracks.some(({ kind }) => kind === "video");
    const typeOf = (codecs: readonly string[]) =>
      `${hasVideo ? "video" : "audio"}/${this.#container}; codecs="${codecs.join(",")}"`;
    const codecs = tracks.map(({ codec }) => codec);
    this.#listener.hasSound(tracks.some(({ kind }) => kind === "audio"));
    if (!canPlay(typeOf(codecs))) {
      const unknown = codecs.find((codec) => !canPlay(typeOf([codec])));
      return this.#give(() => this.#listener.unplayable(unknown ?? codecs.join(", ")));
    }
    this.#sink = new MediaSourceSink(this.#media, typeOf(codecs), this.#listener);
    this.#sink.append(this.#gathered);
    this.#gathered = new Uint8Array(0);
  }

  #give(report: () => void): void {
    this.#isOver = true;
    this.#gathered = new Uint8Array(0);
    report();
  }
}

/** Both, as one. */
export function joined(
  first: Uint8Array<ArrayBuffer>,
  second: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
