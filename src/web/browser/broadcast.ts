// The page that broadcasts from a tab, at /broadcast/USER/CHANNEL: first the login, then what is to be broadcast, then how it
// goes.

import { Broadcasting, type BroadcastState, type Login } from "./broadcasting.ts";
import {
  canCapture,
  capture,
  captureError,
  captureProblem,
  recordingType,
  type SourceKind,
} from "./capture.ts";
import { type ChannelName, channelOfPath, pathOf, titleOf } from "./channel.ts";
import { element, icon } from "./element.ts";
import { copyable } from "./notice.ts";
import { bitRate, byteCount, clock } from "./words.ts";

const main = document.querySelector("main") as HTMLElement;
/** Bits a second. */
const soundBitrate = 128_000;
const qualities = [
  ["Low, 0.6 Mbit/s", 600_000],
  ["Medium, 1.5 Mbit/s", 1_500_000],
  ["High, 3 Mbit/s", 3_000_000],
  ["Very high, 6 Mbit/s", 6_000_000],
] as const;
/** How long the server keeps watchers for a connection that broke, unless it is set otherwise (`hold`). */
const holdMs = 10_000;

function begin(name: ChannelName): void {
  const title = titleOf(name);
  document.title = `Broadcast ${title} · fstream`;
  const heading = element(
    "h1",
    {},
    "Broadcast ",
    element("span", { class: "user" }, `${name.user} / `),
    element("span", {}, name.channel),
  );
  main.append(heading);
  const problem = captureProblem();
  if (problem !== undefined) {
    main.append(element("p", { class: "problem", role: "alert" }, problem));
    return;
  }
  const form = new LoginForm(name.user, (login, kind) => void start(name, login, kind, form));
  main.append(form.root);
}

/** Who broadcasts, and what. */
class LoginForm {
  readonly root: HTMLFormElement;
  readonly #problem = element("p", { class: "problem", role: "alert", hidden: true });
  readonly #secret: HTMLInputElement;
  readonly #channelPassword = element("input", {
    type: "password",
    name: "channel_password",
    id: "channel-password",
    autocomplete: "off",
  });
  readonly #quality: HTMLSelectElement;
  readonly #buttons: readonly HTMLButtonElement[];

  constructor(user: string, chosen: (login: Login, kind: SourceKind) => void) {
    this.#secret = element("input", {
      type: "password",
      name: "user_password",
      id: "secret",
      autocomplete: "current-password",
      required: true,
    });
    this.#quality = element(
      "select",
      { id: "quality" },
      ...qualities.map(([label, bitrate]) =>
        element("option", { value: bitrate, selected: bitrate === 1_500_000 }, label),
      ),
    );
    const radio = (value: string, label: string, checked: boolean) =>
      element(
        "label",
        { class: "choice" },
        element("input", {
          type: "radio",
          name: "login",
          value,
          checked,
          onchange: () => this.#switch(value),
        }),
        label,
      );
    this.#buttons = (["screen", "camera", "microphone"] as const).filter(canCapture).map((kind) =>
      element(
        "button",
        {
          type: "button",
          class: "source",
          onclick: () => {
            if (this.root.reportValidity()) chosen(this.#login(), kind);
          },
        },
        icon(kind),
        element("span", {}, { screen: "Screen", camera: "Camera", microphone: "Microphone" }[kind]),
      ),
    );
    this.root = element(
      "form",
      { class: "login", onsubmit: (event: SubmitEvent) => event.preventDefault() },
      element("input", {
        type: "text",
        name: "user",
        value: user,
        autocomplete: "username",
        hidden: true,
        readonly: true,
      }),
      element(
        "fieldset",
        {},
        element("legend", {}, `Broadcast as ${user}`),
        element(
          "div",
          { class: "choices" },
          radio("password", "with a password", true),
          radio("token", "with a one-time token", false),
        ),
        field("secret", "Password", this.#secret),
      ),
      element(
        "details",
        {},
        element("summary", {}, "Quality and access"),
        field("quality", "Video quality", this.#quality),
        field("channel-password", "Password for watchers (empty: anyone can watch)", this.#channelPassword),
      ),
      this.#problem,
      element("p", { class: "ask", id: "ask" }, "What do you want to broadcast?"),
      element("div", { class: "sources", role: "group", "aria-labelledby": "ask" }, ...this.#buttons),
    );
  }

  get bitrate(): number {
    return Number(this.#quality.value);
  }

  say(problem: string): void {
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === "";
  }

  enable(yes: boolean): void {
    for (const button of this.#buttons) button.disabled = !yes;
  }

  #switch(value: string): void {
    const label = this.root.querySelector("label[for=secret]") as HTMLLabelElement;
    label.textContent = value === "token" ? "Token" : "Password";
    this.#secret.autocomplete = value === "token" ? "off" : "current-password";
    this.#secret.value = "";
  }

  #login(): Login {
    const isToken = new FormData(this.root).get("login") === "token";
    const channelPassword = this.#channelPassword.value;
    return {
      ...(isToken ? { token: this.#secret.value.trim() } : { user_password: this.#secret.value }),
      ...(channelPassword === "" ? {} : { channel_password: channelPassword }),
    };
  }
}

function field(id: string, label: string, input: HTMLElement): HTMLElement {
  return element("div", { class: "field" }, element("label", { for: id }, label), input);
}

async function start(name: ChannelName, login: Login, kind: SourceKind, form: LoginForm): Promise<void> {
  form.say("");
  form.enable(false);
  try {
    const stream = await capture(kind);
    const type = recordingType(stream.getVideoTracks().length > 0 ? "video" : "audio");
    if (type === undefined) {
      stop(stream);
      form.say("This browser can't record anything that can be broadcast.");
    } else {
      const bitrate = type.startsWith("video") ? form.bitrate : soundBitrate;
      main.append(new Desk(name, login, { stream, type, bitrate }, kind, form).root);
    }
  } catch (error) {
    form.say(captureError(error, kind));
  }
  form.enable(true);
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** What is seen while a broadcast runs: the picture that goes out, and how it goes. */
class Desk {
  readonly #form: LoginForm;
  readonly #stream: MediaStream;
  readonly #broadcasting: Broadcasting;
  readonly root: HTMLElement;
  readonly #state = element("p", { class: "desk-state", role: "status", "aria-live": "polite" });
  readonly #figures = element("dl", { class: "figures" });
  readonly #note = element("p", { class: "desk-note", role: "status", "aria-live": "polite" });
  readonly #end = element(
    "button",
    { type: "button", class: "button danger", onclick: () => this.#broadcasting.end() },
    "End the broadcast",
  );
  readonly #timer: number;
  #broken: number | undefined;
  #liveSinceMs: number | undefined;
  #samples: { readonly ms: number; readonly bytes: number }[] = [];

  constructor(
    name: ChannelName,
    login: Login,
    recording: { stream: MediaStream; type: string; bitrate: number },
    kind: SourceKind,
    form: LoginForm,
  ) {
    this.#form = form;
    this.#stream = recording.stream;
    const url = location.origin + pathOf("play", name);
    const preview = this.#preview(kind);
    this.root = element(
      "section",
      { class: "desk", "aria-label": "Broadcast" },
      preview,
      element(
        "div",
        { class: "desk-side" },
        this.#state,
        this.#note,
        this.#figures,
        this.#end,
        element("p", { class: "where" }, "Watch it at"),
        copyable(url),
      ),
    );
    form.root.hidden = true;
    for (const track of this.#stream.getTracks())
      track.addEventListener("ended", () => this.#broadcasting.end());
    this.#broadcasting = new Broadcasting(name, login, recording, {
      changed: (state) => this.#changed(state),
      slower: (bitrate) => {
        this.#note.textContent = `The connection is slow: continuing at ${bitRate(bitrate)}.`;
      },
    });
    this.#say("Connecting …", "");
    this.#timer = setInterval(() => this.#show(), 500);
    addEventListener("beforeunload", this.#warn);
  }

  readonly #warn = (event: Event) => event.preventDefault();

  #preview(kind: SourceKind): HTMLElement {
    if (kind === "microphone")
      return element(
        "div",
        { class: "preview sound", role: "img", "aria-label": "Broadcasting audio only" },
        icon("microphone"),
      );
    const video = element("video", {
      class: "preview",
      autoplay: true,
      playsinline: true,
      "aria-label": "Preview of your broadcast",
    });
    video.muted = true;
    video.srcObject = this.#stream;
    return video;
  }

  #changed(state: BroadcastState): void {
    const wasBroken = this.#broken !== undefined;
    this.#broken = undefined;
    switch (state.type) {
      case "connecting":
        return;
      case "live":
        this.#liveSinceMs ??= performance.now();
        if (wasBroken) this.#note.textContent = "";
        return this.#say("On the air", "on");
      case "broken":
        this.#broken = state.sinceMs;
        this.#say("The connection broke", "off");
        return;
      case "ending":
        return this.#say("Ending …", "");
      case "over":
        return this.#over(state);
      default:
        state satisfies never;
    }
  }

  #say(text: string, tone: "" | "on" | "off"): void {
    this.#state.className = `desk-state ${tone}`;
    this.#state.textContent = text;
  }

  #show(): void {
    const nowMs = performance.now();
    const { sentBytes, waitingBytes, watchers } = this.#broadcasting;
    this.#samples = [
      ...this.#samples.filter(({ ms }) => ms > nowMs - 3000),
      { ms: nowMs, bytes: sentBytes - waitingBytes },
    ];
    const [first] = this.#samples;
    const last = this.#samples[this.#samples.length - 1];
    const rate = last.ms > first.ms ? (8000 * (last.bytes - first.bytes)) / (last.ms - first.ms) : 0;
    if (this.#broken !== undefined) {
      const leftS = Math.ceil((this.#broken + holdMs - nowMs) / 1000);
      this.#note.textContent =
        leftS > 0
          ? `Reconnecting. Viewers are kept for ${leftS} s.`
          : "Reconnecting. Viewers may have been disconnected.";
    }
    const seconds = this.#liveSinceMs === undefined ? 0 : (nowMs - this.#liveSinceMs) / 1000;
    const figures = [
      ["Time", clock(seconds)],
      ["Watching", watchers.toLocaleString("en")],
      ["Rate", bitRate(Math.max(0, rate))],
      ["Sent", byteCount(Math.max(0, sentBytes - waitingBytes))],
    ] as const;
    this.#figures.replaceChildren(
      ...figures.map(([label, value]) =>
        element("div", {}, element("dt", {}, label), element("dd", {}, value)),
      ),
    );
  }

  #over({ code, message }: Extract<BroadcastState, { type: "over" }>): void {
    clearInterval(this.#timer);
    removeEventListener("beforeunload", this.#warn);
    stop(this.#stream);
    this.root.remove();
    this.#form.root.hidden = false;
    this.#form.say(code === undefined ? message : overWords(code, message));
    this.#form.root.querySelector("button")?.focus();
  }
}

/** Why the server does not want it, for somebody who has never read a protocol. */
function overWords(code: string, message: string): string {
  switch (code) {
    case "unauthorized":
      return "Wrong password or token.";
    case "replaced":
      return "Replaced by another broadcast of the same user.";
    case "lost":
    case "unreachable":
      return message;
    default:
      return `The server refused: ${message}.`;
  }
}

const name = channelOfPath(location.pathname);
if (name !== undefined) begin(name);
else
  main.append(
    element("h1", {}, "Which channel?"),
    element("p", {}, "This page's address has no channel: use /broadcast/USER/CHANNEL."),
  );
