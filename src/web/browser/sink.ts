// What takes a stream's bytes and makes a media element play them. One sink is one stream with one header: after a break,
// other codecs or another size there is another one.

/** What a sink reports. */
export interface SinkListener {
  /** This browser can't play it. `codec`: which, as a codec string, where that is known. */
  unplayable(codec: string | undefined): void;
  /** It went wrong in a way that another attempt may not. */
  failed(reason: string): void;
  /** Whether there is sound in it, as soon as that is known. */
  hasSound(yes: boolean): void;
}

export interface Sink {
  append(bytes: Uint8Array<ArrayBuffer>): void;
  /** The stream is over: what is there is to be played to its end. */
  end(): void;
  /** Takes itself off the media element. */
  destroy(): void;
}
