// Media Source with one buffer, fed in order (W3C Media Source Extensions). iPhones have ManagedMediaSource alone, which
// opens only where remote playback is off, and wants data while it says that it streams. What has been played is removed
// after a while; where the buffer is full all the same, what lies behind goes, and the same bytes are appended again, now or when
// more has been played.

import type { Sink, SinkListener } from "./sink.ts";

/** Only what is used of it, as the DOM library does not have it. */
interface Managed extends MediaSource {
  /** Undefined of what is not managed. */
  readonly streaming?: boolean;
}

type SourceClass = Pick<typeof MediaSource, "isTypeSupported"> & (new () => Managed);

interface Window {
  readonly MediaSource?: SourceClass;
  readonly ManagedMediaSource?: SourceClass;
}

/** Seconds behind what is played that are kept at the least, and at the most. */
const keptBehind = 10;
const mostBehind = 30;
/** A buffer that is full is tried again after that. */
const fullMs = 200;
/** Bytes that may wait to be appended; beyond that it is better to begin anew. */
const maxQueuedBytes = 32 * 1024 * 1024;

const { MediaSource: Plain, ManagedMediaSource } = globalThis as unknown as Window;
const Source = Plain ?? ManagedMediaSource;

/** Whether this browser says that it plays `type`, a media type with its codecs. */
export function canPlay(type: string): boolean {
  return Source?.isTypeSupported(type) ?? false;
}

/** Plays what is appended as one stream of `type`. */
export class MediaSourceSink implements Sink {
  readonly #media: HTMLMediaElement;
  readonly #type: string;
  readonly #listener: SinkListener;
  readonly #source: Managed;
  readonly #url: string | undefined;
  #buffer: SourceBuffer | undefined;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queuedBytes = 0;
  #isEnding = false;
  #timer: number | undefined;
  #isDestroyed = false;

  constructor(media: HTMLMediaElement, type: string, listener: SinkListener) {
    this.#media = media;
    this.#type = type;
    this.#listener = listener;
    if (Source === undefined) throw new Error("no Media Source");
    this.#source = new Source();
    this.#source.addEventListener("sourceopen", () => this.#opened(), { once: true });
    this.#source.addEventListener("startstreaming", () => this.#pump());
    if (Plain === undefined) {
      media.disableRemotePlayback = true;
      media.srcObject = this.#source;
    } else {
      this.#url = URL.createObjectURL(this.#source);
      media.src = this.#url;
    }
  }

  append(bytes: Uint8Array<ArrayBuffer>): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > maxQueuedBytes) this.#fail("too much is waiting to be played");
    else this.#pump();
  }

  end(): void {
    this.#isEnding = true;
    this.#pump();
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.#queue = [];
    clearTimeout(this.#timer);
    this.#media.removeAttribute("src");
    this.#media.srcObject = null;
    this.#media.load();
    if (this.#url !== undefined) URL.revokeObjectURL(this.#url);
  }

  #opened(): void {
    if (this.#isDestroyed) return;
    try {
      this.#buffer = this.#source.addSourceBuffer(this.#type);
    } catch {
      this.#listener.unplayable(undefined);
      return;
    }
    this.#source.duration = Number.POSITIVE_INFINITY;
    this.#buffer.addEventListener("updateend", () => this.#pump());
    this.#buffer.addEventListener("error", () => this.#fail("the stream can't be read"));
    this.#pump();
  }

  #pump(): void {
    const buffer = this.#buffer;
    if (buffer === undefined || buffer.updating || this.#isDestroyed || this.#source.readyState !== "open")
      return;
    if (!(this.#source.streaming ?? true) && this.#media.buffered.length > 0) return;
    if (this.#removeBehind(buffer, mostBehind)) return;
    if (this.#queue.length === 0) {
      if (this.#isEnding) this.#source.endOfStream();
      return;
    }
    const bytes = this.#next();
    try {
      buffer.appendBuffer(bytes);
    } catch (error) {
      if ((error as DOMException).name !== "QuotaExceededError") return this.#fail(String(error));
      this.#queue.unshift(bytes);
      this.#queuedBytes += bytes.length;
      // With nothing to remove it is what lies ahead that fills the buffer: it has to be played first.
      if (!this.#removeBehind(buffer, keptBehind) && !this.#removeBehind(buffer, 1)) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#pump(), fullMs);
      }
    }
  }

  /** All that waits, as one: fewer appends are cheaper. */
  #next(): Uint8Array<ArrayBuffer> {
    let bytes = this.#queue[0];
    if (this.#queue.length > 1) {
      bytes = new Uint8Array(this.#queuedBytes);
      let at = 0;
      for (const piece of this.#queue) {
        bytes.set(piece, at);
        at += piece.length;
      }
    }
    this.#queue = [];
    this.#queuedBytes = 0;
    return bytes;
  }

  /** Removes what lies further behind than `seconds`, if that is worth it. The buffer is then updating. */
  #removeBehind(buffer: SourceBuffer, seconds: number): boolean {
    const end = this.#media.currentTime - Math.min(seconds, keptBehind);
    const start = buffer.buffered.length > 0 ? buffer.buffered.start(0) : Number.POSITIVE_INFINITY;
    if (this.#media.currentTime - start <= seconds || end <= start) return false;
    buffer.remove(0, end);
    return true;
  }

  #fail(reason: string): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#listener.failed(reason);
  }
}
