// MPEG-TS and FLV, which browsers don't know: mpegts.js makes fragments of MP4 of them. It is fed by us, so that its own
// loading, pausing and resuming never come in. It is loaded when it is needed.

import type Mpegts from "mpegts.js";
import { canPlay } from "./mediasource.ts";
import type { Sink, SinkListener } from "./sink.ts";

let library: Promise<typeof Mpegts> | undefined;

/** The library, loaded once. */
function load(): Promise<typeof Mpegts> {
  library ??= import("mpegts.js").then(({ default: mpegts }) => {
    mpegts.LoggingControl.applyConfig({ enableAll: false });
    return mpegts;
  });
  return library;
}

type Arrival = (chunk: ArrayBuffer, byteStart: number, receivedLength?: number) => void;

/** Where the loader that the library makes for itself gets its bytes. */
interface Pipe {
  arrive: Arrival | undefined;
}

const config = {
  enableWorker: false,
  enableStashBuffer: false,
  lazyLoad: false,
  deferLoadAfterSourceOpen: true,
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: 30,
  autoCleanupMinBackwardDuration: 10,
  fixAudioTimestampGap: false,
};

export class Transmuxer implements Sink {
  readonly #listener: SinkListener;
  readonly #pipe: Pipe = { arrive: undefined };
  #player: Mpegts.Player | undefined;
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #sentBytes = 0;
  #isDestroyed = false;

  /** `source`: its type, and which tracks there are, where the header is not to be believed. */
  constructor(
    media: HTMLMediaElement,
    source: Pick<Mpegts.MediaDataSource, "type" | "hasAudio" | "hasVideo">,
    listener: SinkListener,
  ) {
    this.#listener = listener;
    load().then(
      (mpegts) => this.#begin(mpegts, media, { ...source, isLive: true, url: "/" }),
      () => this.#fail("the player could not be loaded"),
    );
  }

  append(bytes: Uint8Array<ArrayBuffer>): void {
    const { arrive } = this.#pipe;
    if (arrive === undefined) {
      this.#waiting.push(bytes);
      return;
    }
    const start = this.#sentBytes;
    this.#sentBytes += bytes.length;
    arrive(bytes.buffer, start, this.#sentBytes);
  }

  end(): void {
    // What is buffered plays on by itself.
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.#pipe.arrive = undefined;
    this.#player?.destroy();
    this.#player = undefined;
  }

  #begin(mpegts: typeof Mpegts, media: HTMLMediaElement, source: Mpegts.MediaDataSource): void {
    if (this.#isDestroyed) return;
    const player = mpegts.createPlayer(source, {
      ...config,
      customLoader: loaderFor(mpegts, this.#pipe, () => this.#opened()),
    });
    this.#player = player;
    player.on(mpegts.Events.ERROR, (type: string, detail: string, info?: { msg?: string }) => {
      this.#failed(mpegts, type, detail, info?.msg);
    });
    player.on(mpegts.Events.MEDIA_INFO, (info: Mpegts.MSEPlayerMediaInfo) => this.#informed(info));
    player.attachMediaElement(media);
    player.load();
  }

  #opened(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const bytes of waiting) this.append(bytes);
  }

  #informed({ hasAudio, audioCodec, hasVideo, videoCodec }: Mpegts.MSEPlayerMediaInfo): void {
    this.#listener.hasSound(hasAudio === true);
    const video =
      hasVideo && videoCodec && !canPlay(`video/mp4; codecs="${videoCodec}"`) ? videoCodec : undefined;
    const audio = hasAudio && audioCodec && !canPlayAudio(audioCodec) ? audioCodec : undefined;
    if (video !== undefined || audio !== undefined)
      this.#giveUp(() => this.#listener.unplayable(video ?? audio));
  }

  #failed(mpegts: typeof Mpegts, type: string, detail: string, message: string | undefined): void {
    const { MEDIA_CODEC_UNSUPPORTED, MEDIA_FORMAT_UNSUPPORTED } = mpegts.ErrorDetails;
    if (detail === MEDIA_CODEC_UNSUPPORTED || detail === MEDIA_FORMAT_UNSUPPORTED) {
      this.#giveUp(() => this.#listener.unplayable(undefined));
    } else this.#fail(message ?? `${type}: ${detail}`);
  }

  #fail(reason: string): void {
    this.#giveUp(() => this.#listener.failed(reason));
  }

  /** Reports later, as the library is in the middle of something. */
  #giveUp(report: () => void): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    setTimeout(report);
  }
}

function canPlayAudio(codec: string): boolean {
  return canPlay(codec === "mp3" ? "audio/mpeg" : `audio/mp4; codecs="${codec}"`);
}

/** A loader for the library that takes what the pipe brings, from the moment at which it is opened. */
function loaderFor(mpegts: typeof Mpegts, pipe: Pipe, opened: () => void): Mpegts.CustomLoaderConstructor {
  return class extends mpegts.BaseLoader {
    constructor() {
      super("fstream");
    }

    override get needStashBuffer(): boolean {
      return false;
    }

    override open(): void {
      this._status = mpegts.LoaderStatus.kBuffering;
      pipe.arrive = (chunk, byteStart, receivedLength) =>
        this.onDataArrival(chunk, byteStart, receivedLength);
      opened();
    }

    override abort(): void {
      this._status = mpegts.LoaderStatus.kComplete;
      pipe.arrive = undefined;
    }
  };
}
