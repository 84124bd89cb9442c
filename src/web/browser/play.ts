// The player's page: one channel at /play/USER/CHANNEL, or a wall of them at /play?ch=USER/CHANNEL&ch=...

import { channelStatus, repeatedly } from "./api.ts";
import { type ChannelName, channelOfPath, channelsOfQuery, titleOf } from "./channel.ts";
import { element } from "./element.ts";
import { labels, since, traffic } from "./facts.ts";
import type { StreamInfo } from "./feed.ts";
import { otherWays } from "./notice.ts";
import { optionsOf } from "./options.ts";
import { Player } from "./player.ts";

const main = document.querySelector("main") as HTMLElement;
const options = optionsOf(location.search);
const refreshMs = 5000;

function showOne(name: ChannelName): void {
  document.title = `${titleOf(name)} · fstream`;
  const facts = element("div", { class: "facts" });
  let info: StreamInfo | undefined;
  let isListed = true;
  /** What is over is not asked about: a browser reports each answer of 404. */
  let isOn = false;
  const player = new Player(
    name,
    options,
    { isTile: false },
    {
      begins: (begun) => {
        info = begun;
        isOn = true;
        isListed = !player.hasPassword;
        void refresh();
      },
      changed: ({ type }) => {
        isOn &&= ["connecting", "playing", "interrupted"].includes(type);
        if (type === "unplayable") more.open = true;
      },
    },
  );
  const heading = element("h1", {}, element("span", { class: "user" }, `${name.user} / `), name.channel);
  const more = element(
    "details",
    { class: "more" },
    element("summary", {}, "Other ways to watch"),
    otherWays(name),
  );
  if (options.controls) main.append(player.root, element("header", { class: "about" }, heading, facts), more);
  else {
    document.body.classList.add("bare");
    main.append(element("h1", { class: "unseen" }, titleOf(name)), player.root);
  }
  document.addEventListener("keydown", (event) => {
    if (!isTyping(event) && player.key(event.key)) event.preventDefault();
  });

  const refresh = async () => {
    if (info === undefined || !isOn) return;
    const status = isListed ? await channelStatus(name) : undefined;
    isListed = status !== undefined;
    const known = status ?? info;
    facts.replaceChildren(
      labels({
        ...known,
        width: player.video.videoWidth || known.width,
        height: player.video.videoHeight || known.height,
      }),
      ...(status === undefined ? [] : [element("p", { class: "since" }, since(status)), traffic(status)]),
    );
  };
  player.video.addEventListener("resize", () => void refresh());
  repeatedly(refreshMs, refresh);
}

/** Only one of a wall has sound: the last that was given it. */
function showWall(names: readonly ChannelName[]): void {
  document.title = `${names.length} channels · fstream`;
  document.body.classList.add("wall-page");
  const wall = element("div", { class: "wall" });
  const columns = Math.ceil(Math.sqrt(names.length));
  wall.style.setProperty("--columns", String(columns));
  const players: Player[] = names.map((name) => {
    const player: Player = new Player(
      name,
      { ...options, muted: true },
      { isTile: true },
      {
        sounds: () => {
          for (const other of players) if (other !== player) other.mute();
        },
      },
    );
    player.root.addEventListener("keydown", (event) => {
      if (!isTyping(event) && player.key(event.key)) event.preventDefault();
    });
    return player;
  });
  wall.append(...players.map(({ root }) => root));
  main.append(element("h1", { class: "unseen" }, `${names.length} channels`), wall);
}

/** Whether the key belongs to a field, to a button that takes it, or to the browser. */
function isTyping({ target, key, ctrlKey, altKey, metaKey }: KeyboardEvent): boolean {
  if (ctrlKey || altKey || metaKey) return true;
  const at = target as HTMLElement;
  if (at instanceof HTMLInputElement) return at.type !== "range" || key.startsWith("Arrow");
  return key === " " && /^(BUTTON|A|SUMMARY|SELECT|TEXTAREA)$/.test(at.tagName);
}

const wall = channelsOfQuery(location.search);
const single = wall.length === 1 ? wall[0] : channelOfPath(location.pathname);
if (wall.length > 1) showWall(wall);
else if (single !== undefined) showOne(single);
else {
  main.append(
    element("h1", {}, "Which channel?"),
    element(
      "p",
      {},
      "This page's address has no channel: use /play/USER/CHANNEL. ",
      element("a", { href: "/" }, "See what is live."),
    ),
  );
}
