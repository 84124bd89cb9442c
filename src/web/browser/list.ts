// The page that lists what is live, refreshed by itself. Cards are kept as long as their channels are there, so that a
// focus, or what a screen reader is at, does not get lost.

import { type ChannelStatus, channels, clientAddress, repeatedly } from "./api.ts";
import { type ChannelName, channelOfText, pathOf, titleOf, wallPathOf } from "./channel.ts";
import { element, icon } from "./element.ts";
import { labels, since, traffic } from "./facts.ts";
import { copyable } from "./notice.ts";
import { count } from "./words.ts";

const refreshMs = 4000;
/** Players on a wall at once. */
const wallSize = 16;

const main = document.querySelector("main") as HTMLElement;
const heading = element("h1", {}, "Live");
const spoken = element("p", { class: "summary", role: "status", "aria-live": "polite" });
const wallLink = element("a", { class: "button", hidden: true });
const list = element("ul", { class: "cards", "aria-label": "Channels" });
const empty = emptyState();
const cards = new Map<string, HTMLElement>();

main.append(
  element("div", { class: "list-head" }, heading, spoken, element("span", { class: "gap" }), wallLink),
  list,
  empty,
  goForm(),
);

function show(live: readonly ChannelStatus[]): void {
  const sorted = live.toSorted((a, b) => b.watchers - a.watchers || titleOf(a).localeCompare(titleOf(b)));
  const titles = new Set(sorted.map(titleOf));
  for (const [title, card] of cards) {
    if (titles.has(title)) continue;
    card.remove();
    cards.delete(title);
  }
  for (const channel of sorted) {
    const title = titleOf(channel);
    const card = cards.get(title) ?? newCard(title, channel);
    card.querySelector(".card-facts")?.replaceChildren(...factsOf(channel));
    card.classList.toggle("held", channel.state === "held");
  }
  const playable = sorted.filter((channel) => !channel.protected).slice(0, wallSize);
  wallLink.hidden = playable.length < 2;
  wallLink.href = wallPathOf(playable);
  wallLink.textContent = `Watch ${playable.length === live.length ? "all" : playable.length} at once`;
  empty.hidden = live.length > 0;
  say(live.length === 0 ? "Nothing is live right now" : `${count(live.length, "channel")} on the air`);
}

function say(text: string): void {
  if (spoken.textContent !== text) spoken.textContent = text;
}

function newCard(title: string, channel: ChannelStatus): HTMLElement {
  const link = element(
    "a",
    { class: "card-link", href: pathOf("play", channel) },
    element("span", { class: "user" }, `${channel.user} / `),
    channel.channel,
  );
  const card = element(
    "li",
    { class: "card" },
    element("h2", {}, link),
    element("div", { class: "card-facts" }),
  );
  cards.set(title, card);
  list.append(card);
  return card;
}

function factsOf(channel: ChannelStatus): HTMLElement[] {
  return [
    element(
      "p",
      { class: "card-state" },
      element("span", { class: "dot", "aria-hidden": true }),
      channel.state === "live" ? "" : "Interrupted · ",
      since(channel),
      ...(channel.protected
        ? [
            element(
              "span",
              { class: "lock", title: "Needs a password" },
              icon("lock"),
              element("span", { class: "unseen" }, "needs a password"),
            ),
          ]
        : []),
    ),
    labels(channel),
    traffic(channel),
  ];
}

/** What there is to see when nothing is live: how to change that. */
function emptyState(): HTMLElement {
  const encode = "ffmpeg -re -i film.mkv -c:v libx264 -g 60 -c:a aac -f mpegts";
  const first = element("p", {}, "Send anything ffmpeg can produce:");
  void clientAddress().then((address) => {
    if (address === undefined) return;
    first.after(
      copyable(`${encode} - | fstream ${address} broadcast --user NAME`),
      element("p", {}, "or let ffmpeg send it directly:"),
    );
  });
  return element(
    "section",
    { class: "empty", hidden: true, "aria-labelledby": "how" },
    element("h2", { id: "how" }, "Be the first"),
    first,
    copyable(
      `${encode} -method PUT ${location.protocol}//NAME:PASSWORD@${location.host}/broadcast/NAME/default`,
    ),
    element("p", {}, "or broadcast your screen, camera or microphone from this browser:"),
    nameForm("Broadcast", "Your user name, or user/channel", (name) => pathOf("broadcast", name)),
  );
}

/** To a channel that is not listed. */
function goForm(): HTMLElement {
  return element(
    "section",
    { class: "go" },
    element("p", {}, "A channel that is not listed here:"),
    nameForm("Watch", "user/channel", (name) => pathOf("play", name)),
  );
}

function nameForm(action: string, placeholder: string, to: (name: ChannelName) => string): HTMLElement {
  const input = element("input", {
    type: "text",
    required: true,
    placeholder,
    "aria-label": placeholder,
    autocapitalize: "none",
    spellcheck: "false",
  });
  return element(
    "form",
    {
      class: "name-form",
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        const name = channelOfText(input.value);
        if (name !== undefined) location.href = to(name);
      },
    },
    input,
    element("button", { type: "submit", class: "button" }, action),
  );
}

repeatedly(refreshMs, async () => {
  try {
    show(await channels());
    main.classList.remove("stale");
  } catch {
    say("The server can’t be reached; trying again");
    main.classList.add("stale");
  }
});
