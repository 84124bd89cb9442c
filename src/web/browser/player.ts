// One player: the picture, what is said over it, and the buttons. Everything a mouse can do a key does too (space, m, f, the
// arrows), and whatever changes is said to a screen reader in words.

import { type ChannelName, pathOf, titleOf } from "./channel.ts";
import { element, icon, iconButton, relabel } from "./element.ts";
import type { StreamInfo } from "./feed.ts";
import { noticeOf, spokenOf } from "./notice.ts";
import type { PlayerOptions } from "./options.ts";
import { Playback } from "./playback.ts";
import type { State } from "./playbackstate.ts";
import { isSound } from "./words.ts";

export interface PlayerHooks {
  /** The stream begins. */
  begins?(info: StreamInfo): void;
  changed?(state: State): void;
  /** It was given sound by hand. */
  sounds?(): void;
}

/** Whether it has a link to a page of its own: in a wall. */
export interface PlayerPlace {
  readonly isTile: boolean;
}

/** Seconds that an arrow key goes back or forth. */
const seekSeconds = 5;
const volumeStep = 0.1;
/** The buttons go when the pointer has rested for so long. */
const restMs = 2500;
/** A pause, and a hidden page that nobody hears, keep the stream for so long. */
const idleMs = 15_000;
/** Connecting is said only when it takes longer than that. */
const quietMs = 600;

interface ApplePlayer extends HTMLVideoElement {
  readonly webkitEnterFullscreen?: () => void;
}

export class Player {
  readonly root: HTMLElement;
  readonly #name: ChannelName;
  readonly #hooks: PlayerHooks;
  readonly #playback: Playback;
  readonly #video: HTMLVideoElement;
  readonly #still = element("canvas", { class: "still", "aria-hidden": true, hidden: true });
  readonly #notice = element("div", { class: "notice", hidden: true });
  readonly #spoken = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
  readonly #unmute: HTMLButtonElement;
  readonly #begin: HTMLButtonElement;
  readonly #playButton = iconButton("pause", "Pause", () => this.togglePlay());
  readonly #muteButton = iconButton("sound", "Mute", () => this.toggleMute());
  readonly #fullButton = iconButton("full", "Full screen", () => this.toggleFull());
  readonly #liveButton = element(
    "button",
    { type: "button", class: "live", onclick: () => this.#playback.goLive() },
    "Live",
  );
  readonly #volume = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    class: "volume",
    "aria-label": "Volume",
  });
  #restTimer: number | undefined;
  #idleTimer: number | undefined;
  #noticeTimer: number | undefined;
  #hasSound = true;

  constructor(name: ChannelName, options: PlayerOptions, { isTile }: PlayerPlace, hooks: PlayerHooks = {}) {
    this.#name = name;
    this.#hooks = hooks;
    this.#video = element("video", {
      playsinline: true,
      preload: "auto",
      tabindex: -1,
      "aria-label": `Picture of ${titleOf(name)}`,
    });
    this.#video.muted = options.muted;
    this.#unmute = element(
      "button",
      { type: "button", class: "unmute", hidden: true, onclick: () => this.toggleMute() },
      icon("silence"),
      element("span", {}, "Tap for sound"),
    );
    this.#begin = element(
      "button",
      {
        type: "button",
        class: "begin",
        hidden: true,
        "aria-label": `Play ${titleOf(name)}`,
        onclick: () => this.#start(),
      },
      icon("play"),
    );
    this.root = element(
      "section",
      { class: isTile ? "player tile" : "player", "aria-label": `Player of ${titleOf(name)}`, tabindex: 0 },
      this.#video,
      this.#still,
      this.#notice,
      this.#unmute,
      this.#begin,
      ...(options.controls ? [this.#controls(isTile)] : []),
      this.#spoken,
    );
    this.#listen(isTile);
    this.#playback = new Playback(name, this.#video, {
      changed: (state) => this.#changed(state),
      begins: (info) => this.#begins(info),
      hasSound: (yes) => this.#sound(yes),
      restricted: (how) => this.#restricted(how),
    });
    if (options.autoplay) this.#playback.connect();
    else this.#begin.hidden = false;
    this.#show();
  }

  /** Whether it was given one. */
  get hasPassword(): boolean {
    return this.#playback.hasPassword;
  }

  get video(): HTMLVideoElement {
    return this.#video;
  }

  mute(): void {
    this.#video.muted = true;
  }

  togglePlay(): void {
    if (!this.#begin.hidden) this.#start();
    else if (this.#playback.state.type === "asleep" || this.#playback.isPaused) this.#playback.play();
    else this.#playback.pause();
    this.#idle();
    this.#show();
  }

  toggleMute(): void {
    const video = this.#video;
    video.muted = !video.muted;
    if (!video.muted && video.volume === 0) video.volume = 0.5;
    this.#unmute.hidden = true;
    if (!video.muted) this.#hooks.sounds?.();
  }

  toggleFull(): void {
    const video = this.#video as ApplePlayer;
    if (document.fullscreenElement !== null) void document.exitFullscreen();
    else if (typeof this.root.requestFullscreen === "function") void this.root.requestFullscreen();
    else video.webkitEnterFullscreen?.();
  }

  /** Whether the key meant something here. */
  key(key: string): boolean {
    const video = this.#video;
    switch (key) {
      case " ":
      case "k":
        this.togglePlay();
        break;
      case "m":
        this.toggleMute();
        break;
      case "f":
        this.toggleFull();
        break;
      case "ArrowUp":
      case "ArrowDown":
        video.muted = false;
        video.volume = Math.min(
          1,
          Math.max(0, video.volume + (key === "ArrowUp" ? volumeStep : -volumeStep)),
        );
        break;
      case "ArrowLeft":
        this.#playback.seek(-seekSeconds);
        break;
      case "ArrowRight":
        this.#playback.seek(seekSeconds);
        break;
      case "End":
        this.#playback.goLive();
        break;
      default:
        return false;
    }
    this.#wake();
    return true;
  }

  #controls(isTile: boolean): HTMLElement {
    const title = isTile
      ? element("a", { class: "tile-name", href: pathOf("play", this.#name) }, titleOf(this.#name))
      : undefined;
    const inset = document.pictureInPictureEnabled
      ? iconButton("inset", "Picture in picture", () => void this.#toggleInset())
      : undefined;
    const parts = isTile
      ? [this.#playButton, title, element("span", { class: "gap" }), this.#muteButton, this.#fullButton]
      : [
          this.#playButton,
          this.#liveButton,
          element("span", { class: "gap" }),
          this.#muteButton,
          this.#volume,
          inset,
          this.#fullButton,
        ];
    return element("div", { class: "controls", role: "group", "aria-label": "Controls" }, ...parts);
  }

  async #toggleInset(): Promise<void> {
    if (document.pictureInPictureElement === this.#video) await document.exitPictureInPicture();
    else await this.#video.requestPictureInPicture();
  }

  #listen(isTile: boolean): void {
    const video = this.#video;
    for (const event of ["play", "pause", "volumechange", "emptied"])
      video.addEventListener(event, () => this.#show());
    video.addEventListener("playing", () => {
      this.#still.hidden = true;
      this.#begin.hidden = true;
    });
    video.addEventListener("click", () => (isTile ? this.toggleMute() : this.togglePlay()));
    video.addEventListener("dblclick", () => this.toggleFull());
    this.#volume.addEventListener("input", () => {
      video.volume = Number(this.#volume.value);
      video.muted = video.volume === 0;
      this.#unmute.hidden = true;
    });
    for (const event of ["pointermove", "pointerdown", "focusin", "keydown"])
      this.root.addEventListener(event, () => this.#wake());
    document.addEventListener("visibilitychange", () => this.#visibility());
    document.addEventListener("fullscreenchange", () => this.#show());
    setInterval(() => this.#showLive(), 500);
  }

  #start(): void {
    this.#begin.hidden = true;
    if (this.#playback.state.type === "connecting" && this.#video.readyState === 0) this.#playback.connect();
    else this.#playback.play();
  }

  /** Shows the buttons, for a while. */
  #wake(): void {
    this.root.classList.remove("resting");
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.root.classList.add("resting"), restMs);
  }

  #visibility(): void {
    if (document.hidden) return this.#idle();
    clearTimeout(this.#idleTimer);
    if (this.#playback.isPaused || !this.#begin.hidden) return;
    if (this.#playback.state.type === "asleep") this.#playback.connect();
    else this.#playback.goLive();
  }

  /** Ends the stream if nobody sees or hears it for a while. */
  #idle(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      const isHeard = this.#hasSound && !this.#video.muted && this.#video.volume > 0;
      const isWatched = !document.hidden || isHeard || document.pictureInPictureElement === this.#video;
      const isOn = !["password", "login", "unplayable"].includes(this.#playback.state.type);
      if (isOn && (this.#playback.isPaused || !isWatched)) this.#playback.sleep();
    }, idleMs);
  }

  /** Another stream takes over: its first picture comes in place of the last one of this. */
  #begins(info: StreamInfo): void {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (width > 0 && this.#video.readyState >= 2) {
      this.#still.width = width;
      this.#still.height = height;
      this.#still.getContext("2d")?.drawImage(this.#video, 0, 0);
      this.#still.hidden = false;
    }
    this.root.classList.toggle("sound-only", info.codecs.length > 0 && info.codecs.every(isSound));
    this.#hooks.begins?.(info);
  }

  #sound(yes: boolean): void {
    this.#hasSound = yes;
    this.#muteButton.disabled = !yes;
    this.#volume.disabled = !yes;
    if (!yes) this.#unmute.hidden = true;
  }

  #restricted(how: "muted" | "blocked"): void {
    if (how === "blocked") this.#begin.hidden = false;
    else if (this.#hasSound) this.#unmute.hidden = false;
  }

  #changed(state: State): void {
    this.root.dataset.state = state.type;
    clearTimeout(this.#noticeTimer);
    const show = () => {
      const notice = noticeOf(state, this.#name, {
        password: (password) => this.#playback.connect(password),
        again: () => this.#playback.play(),
      });
      this.#notice.replaceChildren(...(notice === undefined ? [] : [notice]));
      this.#notice.hidden = notice === undefined;
      if (
        this.#notice.contains(document.activeElement) ||
        (state.type !== "password" && state.type !== "login")
      )
        return;
      if (this.root.parentElement?.childElementCount === 1) this.#notice.querySelector("input")?.focus();
    };
    if (state.type === "connecting") this.#noticeTimer = setTimeout(show, quietMs);
    else show();
    if (state.type !== "connecting") this.#spoken.textContent = spokenOf(state, this.#name);
    this.#show();
    this.#hooks.changed?.(state);
  }

  #show(): void {
    const video = this.#video;
    const isSilent = video.muted || video.volume === 0;
    const isStopped =
      this.#playback.isPaused || this.#playback.state.type === "asleep" || !this.#begin.hidden;
    relabel(this.#playButton, isStopped ? "play" : "pause", isStopped ? "Play" : "Pause");
    relabel(this.#muteButton, isSilent ? "silence" : "sound", isSilent ? "Unmute" : "Mute");
    if (!video.muted) this.#unmute.hidden = true;
    this.#volume.value = String(video.muted ? 0 : video.volume);
    const isFull = document.fullscreenElement === this.root;
    relabel(this.#fullButton, isFull ? "unfull" : "full", isFull ? "Leave full screen" : "Full screen");
    this.#showLive();
  }

  #showLive(): void {
    const { state, follows, isPaused, behind } = this.#playback;
    const isLive = state.type === "playing" && follows && !isPaused;
    this.#liveButton.classList.toggle("on", isLive);
    const label = isLive ? "Live" : follows ? "Live" : `${Math.round(behind)} s behind: go to live`;
    if (this.#liveButton.textContent !== label) this.#liveButton.textContent = label;
  }
}
