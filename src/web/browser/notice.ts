// What a player says when it does not play: in which situation it is, what will happen, and what can be done. For the eyes it
// covers the picture, and a screen reader reads it out.

import { clientAddress } from "./api.ts";
import { type ChannelName, pathOf, titleOf } from "./channel.ts";
import { element } from "./element.ts";
import { currentLogin, logIn } from "./login.ts";
import type { State } from "./playbackstate.ts";
import { browserName, codecName, containerName, quoted } from "./words.ts";

export interface NoticeActions {
  readonly password: (password: string) => void;
  readonly again: () => void;
}

/** The contents of the notice for a state; undefined: nothing is to be said. */
export function noticeOf(state: State, name: ChannelName, actions: NoticeActions): HTMLElement | undefined {
  const title = titleOf(name);
  switch (state.type) {
    case "playing":
      return undefined;
    case "connecting":
      return said("Connecting …", undefined, spinner());
    case "interrupted":
      return said("The broadcast is interrupted", "It continues here when it returns.", spinner());
    case "ended":
      return said("The broadcast has ended", "If it returns, it will start here automatically.", spinner());
    case "not_live":
      return said(`${title} is not live yet`, "It will start here automatically.", spinner());
    case "unreachable":
      return said("The server can’t be reached", "Trying again …", spinner());
    case "refused":
      return said("Not available right now", `${sentence(state.message)} Trying again …`, spinner());
    case "asleep":
      return said("Paused", undefined, button("Resume", actions.again));
    case "password":
      return passwordForm(title, state.isWrong, actions);
    case "login":
      return loginForm(title, state.reason);
    case "unplayable":
      return unplayable(state, actions);
    default:
      return state satisfies never;
  }
}

/** The same as a line of text, for a screen reader. */
export function spokenOf(state: State, name: ChannelName): string {
  if (state.type === "playing") return `${titleOf(name)} is playing`;
  if (state.type === "password") return state.isWrong ? "Wrong password" : "This channel needs a password";
  if (state.type === "login") return state.reason ?? `Log in to watch ${titleOf(name)}`;
  const notice = noticeOf(state, name, { password: () => {}, again: () => {} });
  return [...(notice?.querySelectorAll("p") ?? [])].map(({ textContent }) => textContent).join(" ");
}

function said(title: string, more: string | undefined, ...rest: readonly (Node | undefined)[]): HTMLElement {
  return element(
    "div",
    { class: "said" },
    ...rest.slice(0, 1).filter((node) => node?.nodeName === "SPAN"),
    element("p", { class: "said-title" }, title),
    more === undefined ? undefined : element("p", {}, more),
    ...rest.filter((node) => node?.nodeName !== "SPAN"),
  );
}

function spinner(): HTMLElement {
  return element("span", { class: "spinner", "aria-hidden": true });
}

function button(text: string, onclick: () => void): HTMLButtonElement {
  return element("button", { type: "button", class: "button", onclick }, text);
}

function passwordForm(title: string, isWrong: boolean, actions: NoticeActions): HTMLElement {
  const input = element("input", {
    type: "password",
    name: "channel_password",
    autocomplete: "current-password",
    required: true,
    "aria-label": `Password of ${title}`,
    "aria-invalid": isWrong ? "true" : undefined,
    placeholder: "Password",
  });
  const form = element(
    "form",
    {
      class: "password-form",
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        actions.password(input.value);
      },
    },
    input,
    element("button", { type: "submit", class: "button primary" }, "Watch"),
  );
  const question = isWrong ? "Wrong password" : "This channel needs a password";
  return said(
    question,
    isWrong ? `That is not the password for ${title}. Try again.` : `Ask whoever broadcasts ${title} for it.`,
    form,
  );
}

function loginForm(title: string, reason: string | undefined): HTMLElement {
  const isInvalid = reason === undefined ? undefined : "true";
  const name = element("input", {
    type: "text",
    name: "watcher",
    autocomplete: "username",
    required: true,
    value: currentLogin()?.watcher,
    "aria-label": "Your name",
    "aria-invalid": isInvalid,
    placeholder: "Name",
  });
  const password = element("input", {
    type: "password",
    name: "watcher_password",
    autocomplete: "current-password",
    required: true,
    "aria-label": "Your password",
    "aria-invalid": isInvalid,
    placeholder: "Password",
  });
  const form = element(
    "form",
    {
      class: "password-form login-form",
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        logIn({ watcher: name.value, watcher_password: password.value });
      },
    },
    name,
    password,
    element("button", { type: "submit", class: "button primary" }, "Watch"),
  );
  return said(
    reason === undefined ? "Log in to watch" : capital(reason),
    reason === undefined ? `You have to log in to watch ${title}.` : `Log in again to watch ${title}.`,
    form,
  );
}

/** Other players take it: the page has their command lines below the player, and opens them. */
function unplayable(
  { codec, container }: Extract<State, { type: "unplayable" }>,
  actions: NoticeActions,
): HTMLElement {
  const what =
    codec === undefined
      ? `This ${containerName(container)} stream`
      : `${codecName(codec)} in ${containerName(container)}`;
  const exactly = codec?.includes(".") ? ` It is ${codec}.` : "";
  return said(
    `${what} can’t be played in ${browserName(navigator.userAgent)}`,
    `Other players can.${exactly}`,
    button("Try again", actions.again),
  );
}

/** How to watch without this page: a table of command lines, each with a button that copies it. */
export function otherWays({ user, channel }: ChannelName): HTMLElement {
  const url = location.origin + pathOf("watch", { user, channel });
  const named = `--user ${quoted(user)}${channel === "default" ? "" : ` --channel ${quoted(channel)}`}`;
  const ways = element("dl", { class: "ways" }, way("VLC, mpv, ffplay: open", url));
  void clientAddress().then((address) => {
    if (address === undefined) return;
    ways.append(way("fstream", `fstream ${address} watch ${named} | ffplay -analyzeduration 500k -i -`));
  });
  return ways;
}

function way(label: string, line: string): HTMLElement {
  return element("div", {}, element("dt", {}, label), element("dd", {}, copyable(line)));
}

/** A line of code with a button to copy it. */
export function copyable(line: string): HTMLElement {
  const copy = element(
    "button",
    {
      type: "button",
      class: "copy",
      "aria-label": `Copy: ${line}`,
      onclick: () => {
        void navigator.clipboard?.writeText(line).then(() => {
          copy.textContent = "Copied";
          setTimeout(() => copy.replaceChildren("Copy"), 1500);
        });
      },
    },
    "Copy",
  );
  return element("span", { class: "copyable" }, element("code", { tabindex: 0 }, line), copy);
}

/** As a sentence: a capital, a full stop. */
function sentence(text: string): string {
  return text === "" ? "" : `${capital(text)}${text.endsWith(".") ? "" : "."}`;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
