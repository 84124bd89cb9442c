// Keeps a media element playing a channel: connects, finds out what the stream is, feeds a sink, stays near live, and goes on
// by itself after whatever happens. It knows nothing of buttons; its state says in which of a few situations it is.
//
//   connecting --> playing <--> interrupted (nothing comes)
//       ^             |
//       |  a moment   v
//       '-------- ended, not live, refused, unreachable           password, login, unplayable: it stays so until asked
//
// Whenever a stream begins there is a new sink, as nothing promises that it has the codecs of the last one.

import { endOf, rangeAt, startAfter } from "./buffered.ts";
import { type ChannelName, pathOf } from "./channel.ts";
import { type Credentials, type End, Feed, type FeedListener, type StreamInfo } from "./feed.ts";
import { Follower } from "./follow.ts";
import { currentLogin, type Login, whenLoggedIn } from "./login.ts";
import type { PlaybackListener, State } from "./playbackstate.ts";
import type { Sink, SinkListener } from "./sink.ts";
import { wayToPlay } from "./sinks.ts";

const tickMs = 250;
/** After an end: it may be one that another broadcast follows at once. */
const soonMs = 400;
/** Between attempts. */
const retryMs = 2000;
const slowRetryMs = 10_000;
/** Without bytes for so long, and nothing left to play, the broadcast counts as interrupted. */
const silenceMs = 1500;
/** Bytes come but nothing plays, for so long at the beginning, and later: the stream is not simply going on. */
const startMs = 20_000;
const stuckMs = 1500;
/** Attempts without a picture after which this browser is taken to be unable to play it. */
const maxFailures = 4;

export class Playback {
  readonly #name: ChannelName;
  readonly #media: HTMLVideoElement;
  readonly #listener: PlaybackListener;
  readonly #follower = new Follower();
  #state: State = { type: "connecting" };
  #feed: Feed | undefined;
  #sink: Sink | undefined;
  #info: StreamInfo | undefined;
  #password: string | undefined;
  /** The login that it was tried with last. */
  #login: Login | undefined;
  #retry: number | undefined;
  #follows = true;
  /** Somebody has paused it. */
  #isPaused = false;
  /** Attempts since something was last played. */
  #failures = 0;
  #bytesAtMs = 0;
  /** When the first bytes came since something was last played. */
  #freshAtMs: number | undefined;
  #begunAtMs = 0;
  #advancedAtMs = 0;
  #time = 0;
  #hasAdvanced = false;
  #stalledAtMs: number | undefined;

  constructor(name: ChannelName, media: HTMLVideoElement, listener: PlaybackListener) {
    this.#name = name;
    this.#media = media;
    this.#listener = listener;
    media.addEventListener("error", () => {
      if (media.error !== null && this.#sink !== undefined) this.#failed(media.error.message);
      else if (media.error !== null && media.hasAttribute("src")) this.#again(retryMs);
    });
    media.addEventListener("ended", () => {
      if (this.#feed === undefined && this.#retry === undefined) this.#again(retryMs);
    });
    // A sink that is put onto the element later makes it pause.
    media.addEventListener("canplay", () => {
      if (media.paused && !this.#isPaused) this.#play();
    });
    media.addEventListener("waiting", () => {
      // A jump makes it wait too.
      if (!media.seeking) this.#stalledAtMs = performance.now();
    });
    setInterval(() => this.#tick(), tickMs);
    whenLoggedIn(() => {
      if (this.#state.type === "login") this.connect();
    });
  }

  #credentials(): Credentials {
    this.#login = currentLogin();
    return {
      ...this.#login,
      ...(this.#password === undefined ? {} : { channel_password: this.#password }),
    };
  }

  get state(): State {
    return this.#state;
  }

  get hasPassword(): boolean {
    return this.#password !== undefined;
  }

  /** Whether it is kept at the newest picture. */
  get follows(): boolean {
    return this.#follows;
  }

  /** Seconds that what is played lies behind what has arrived. */
  get behind(): number {
    return Math.max(0, endOf(this.#media.buffered) - this.#media.currentTime);
  }

  /** Connects, or does so anew; `password`: the channel's. */
  connect(password = this.#password): void {
    this.#password = password;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#feed?.close();
    this.#change({ type: "connecting" });
    const feed = new Feed(this.#name, this.#credentials(), this.#feedListener());
    this.#feed = feed;
  }

  /** Ends what is loaded, until `connect` or `play`. */
  sleep(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#feed?.close();
    this.#feed = undefined;
    this.#dropSink();
    this.#change({ type: "asleep" });
  }

  play(): void {
    this.#isPaused = false;
    if (this.#state.type === "asleep") return this.connect();
    this.goLive();
    this.#play();
  }

  /** A pause keeps what comes for a while only; behind that it is asleep. */
  pause(): void {
    this.#isPaused = true;
    this.#media.pause();
    // The browser's own player would go on where it was, and ever further behind.
    if (this.#sink === undefined && this.#media.hasAttribute("src")) this.sleep();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** To the newest picture, and on with it. */
  goLive(): void {
    this.#follows = true;
    this.#follower.reset();
    const { buffered } = this.#media;
    if (this.#sink === undefined || buffered.length === 0) return;
    const target = Math.max(
      buffered.start(buffered.length - 1),
      endOf(this.#media.buffered) - this.#follower.target - 0.15,
    );
    if (target > this.#media.currentTime) this.#media.currentTime = target;
  }

  /** Back (below 0) or forth within what is there. It is no longer kept at live, unless that is where it leads. */
  seek(seconds: number): void {
    const { buffered } = this.#media;
    if (this.#sink === undefined || buffered.length === 0) return;
    const target = this.#media.currentTime + seconds;
    if (target > endOf(this.#media.buffered) - this.#follower.target) return this.goLive();
    this.#follows = false;
    this.#media.playbackRate = 1;
    this.#media.currentTime = Math.max(buffered.start(0), target);
  }

  #feedListener(): FeedListener {
    return {
      begins: (info) => this.#begins(info),
      took: (bytes) => {
        this.#bytesAtMs = performance.now();
        this.#freshAtMs ??= this.#bytesAtMs;
        this.#sink?.append(bytes);
      },
      over: (end) => this.#over(end),
    };
  }

  #begins(info: StreamInfo): void {
    this.#listener.begins(info);
    this.#info = info;
    this.#dropSink();
    this.#begunAtMs = performance.now();
    this.#advancedAtMs = this.#begunAtMs;
    this.#hasAdvanced = false;
    this.#freshAtMs = undefined;
    this.#stalledAtMs = undefined;
    this.#follower.begin();
    const way = wayToPlay(info);
    if (way === "native") {
      this.#feed?.close();
      this.#feed = undefined;
      this.#playNatively();
    } else if ("unplayable" in way) this.#unplayable(way.unplayable);
    else {
      this.#sink = way(this.#media, this.#sinkListener());
      if (!this.#isPaused) this.#play();
    }
  }

  #playNatively(): void {
    const query = new URLSearchParams({ ...this.#credentials() }).toString();
    this.#listener.hasSound(true);
    this.#media.src = pathOf("watch", this.#name) + (query === "" ? "" : `?${query}`);
    if (!this.#isPaused) this.#play();
  }

  #sinkListener(): SinkListener {
    const current = () => this.#begunAtMs;
    const begun = current();
    const ifCurrent = (action: () => void) => {
      if (current() === begun) action();
    };
    return {
      unplayable: (codec) => ifCurrent(() => this.#unplayable(codec)),
      failed: (reason) => ifCurrent(() => this.#failed(reason)),
      hasSound: (yes) => ifCurrent(() => this.#listener.hasSound(yes)),
    };
  }

  #unplayable(codec: string | undefined): void {
    this.#feed?.close();
    this.#feed = undefined;
    this.#dropSink();
    this.#change({ type: "unplayable", codec, container: this.#info?.container ?? "" });
    // Another broadcast may be one that can be played.
    this.#retry = setTimeout(() => this.#lookAgain(), slowRetryMs);
  }

  /** Whether what is broadcast has become playable, without a word as long as it is not. */
  #lookAgain(): void {
    const { state } = this;
    const listener = this.#feedListener();
    this.#feed = new Feed(this.#name, this.#credentials(), {
      ...listener,
      begins: (info) => {
        const way = wayToPlay(info);
        const isSame = JSON.stringify(info) === JSON.stringify(this.#info);
        if (isSame || (way !== "native" && "unplayable" in way)) {
          this.#feed?.close();
          this.#feed = undefined;
          this.#info = info;
          this.#retry = setTimeout(() => this.#lookAgain(), slowRetryMs);
        } else {
          this.#failures = 0;
          this.#change({ type: "connecting" });
          listener.begins(info);
        }
      },
      over: (end) => {
        if (this.#state === state && end.type !== "error")
          this.#retry = setTimeout(() => this.#lookAgain(), retryMs);
        else this.#over(end);
      },
    });
  }

  #failed(reason: string): void {
    console.info(`fstream: ${reason}`);
    // What comes during a pause fills the buffer.
    if (this.#isPaused) return this.sleep();
    this.#failures++;
    if (this.#failures >= maxFailures) return this.#unplayable(undefined);
    this.#feed?.close();
    this.#feed = undefined;
    this.#again(this.#failures === 1 ? 0 : retryMs);
  }

  #over(end: End): void {
    this.#feed = undefined;
    this.#sink?.end();
    switch (end.type) {
      case "end":
        this.#change({ type: "ended" });
        return this.#again(soonMs);
      case "error":
        return this.#refused(end.code, end.message);
      case "lost":
        this.#change({ type: "connecting" });
        this.#failures++;
        return this.#again(this.#failures === 1 ? 0 : retryMs);
      case "unreachable":
        this.#change({ type: "unreachable" });
        return this.#again(retryMs);
      default:
        end satisfies never;
    }
  }

  #refused(code: string, message: string): void {
    switch (code) {
      case "not_live":
        this.#change({ type: "not_live" });
        return this.#again(retryMs);
      case "forbidden":
        this.#dropSink();
        return this.#change({ type: "password", isWrong: this.#password !== undefined });
      case "unauthorized":
        this.#dropSink();
        return this.#change({ type: "login", reason: this.#login === undefined ? undefined : message });
      case "slow":
        return this.#again(0);
      default:
        this.#change({ type: "refused", message });
        return this.#again(code === "busy" ? retryMs : slowRetryMs);
    }
  }

  #again(afterMs: number): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.connect(), afterMs * (1 + Math.random() / 4));
  }

  #play(): void {
    const media = this.#media;
    media.play().catch((error: DOMException) => {
      if (error.name !== "NotAllowedError") return;
      if (media.muted) return this.#listener.restricted("blocked");
      media.muted = true;
      this.#listener.restricted("muted");
      this.#play();
    });
  }

  #dropSink(): void {
    this.#sink?.destroy();
    this.#sink = undefined;
    if (this.#media.hasAttribute("src")) {
      this.#media.removeAttribute("src");
      this.#media.load();
    }
  }

  #change(state: State): void {
    if (state.type === this.#state.type && !["password", "login", "unplayable"].includes(state.type)) return;
    this.#state = state;
    this.#listener.changed(state);
  }

  #tick(): void {
    const media = this.#media;
    const nowMs = performance.now();
    if (media.currentTime !== this.#time && !media.seeking) {
      this.#time = media.currentTime;
      if (media.currentTime > 0 && !media.paused) this.#advanced(nowMs);
    }
    if (this.#sink === undefined || media.buffered.length === 0) return this.#watchdog(nowMs);
    if (!media.seeking) this.#position(media, nowMs);
    this.#watchdog(nowMs);
  }

  #advanced(nowMs: number): void {
    // A short standstill is one of the network; what is longer has other reasons, against which no reserve helps.
    const stalledMs = this.#stalledAtMs === undefined ? 0 : nowMs - this.#stalledAtMs;
    if (this.#hasAdvanced && stalledMs > 0 && stalledMs < 2000) this.#follower.stalled(nowMs);
    this.#stalledAtMs = undefined;
    this.#advancedAtMs = nowMs;
    this.#freshAtMs = undefined;
    this.#hasAdvanced = true;
    this.#failures = 0;
    if (this.#feed !== undefined || this.#sink === undefined) this.#change({ type: "playing" });
  }

  /** Starts where the stream does, leaps over gaps, and stays near live. */
  #position(media: HTMLVideoElement, nowMs: number): void {
    const { buffered, currentTime } = media;
    const range = rangeAt(buffered, currentTime);
    if (range === undefined || (buffered.end(range) - currentTime < 0.1 && range + 1 < buffered.length)) {
      const next = startAfter(buffered, currentTime);
      if (next !== undefined) media.currentTime = next + 0.001;
      return;
    }
    if (media.paused || !this.#follows || media.readyState < 3) return;
    const { rate, jumpTo } = this.#follower.step(nowMs, buffered.end(range) - currentTime);
    if (media.playbackRate !== rate) media.playbackRate = rate;
    if (jumpTo !== undefined) media.currentTime = buffered.end(range) - jumpTo;
  }

  #watchdog(nowMs: number): void {
    if (this.#feed === undefined || this.#sink === undefined || this.#media.paused) return;
    const standsMs = nowMs - this.#advancedAtMs;
    const silentMs = nowMs - Math.max(this.#bytesAtMs, this.#begunAtMs);
    if (silentMs > silenceMs && standsMs > silenceMs) this.#change({ type: "interrupted" });
    const uselessMs = nowMs - (this.#freshAtMs ?? nowMs);
    if (silentMs < 1000 && uselessMs > (this.#hasAdvanced ? stuckMs : startMs)) {
      this.#freshAtMs = undefined;
      this.#failed("bytes come but nothing plays");
    }
  }
}
