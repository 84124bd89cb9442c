// The pictures that scripts/pictures takes: a server with a few channels is looked at in Chromium and with the client in a
// terminal (tmux), whose text is set as a page. They have 256 colours, to be small.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Chromium, type Page } from "../test/e2e/chromium.ts";
import { program, TestServer, until } from "../test/e2e/program.ts";

const folder = join(import.meta.dir, "../docs/pictures");
const password = crypto.randomUUID();
const users = Object.fromEntries(
  ["ann", "fier", "radio"].map((name) => [`${name}.toml`, `password = "${password}"\n`]),
);

/** A range of hills: its colour, and its heights. */
const hills = (red: number, green: number, blue: number, top: string, speed: number) =>
  `color=c=black:s=1280x720:d=0.04:r=25,format=rgba,geq=r=${red}:g=${green}:b=${blue}:a='255*gt(Y\\,${top})',` +
  `loop=-1:1,setpts=N/25/TB,scroll=h=${speed}`;
const wave = (height: number, count: number, phase: number) =>
  `-${height}*sin(2*PI*${count}*X/1280+${phase})`;
/** An evening in the hills. */
const film = [
  "gradients=s=1280x720:r=25:n=3:c0=0x16324f:c1=0xd96c5f:c2=0xf8d98b:x0=640:y0=0:x1=640:y1=620:speed=0.00001[sky]",
  "color=c=black:s=1280x720:d=0.04:r=25,format=rgba,geq=r=255:g=236:b=190:" +
    "a='clip(255*(1.02-hypot(X-900\\,Y-380)/70)*8\\,0\\,235)',loop=-1:1,setpts=N/25/TB[sun]",
  `${hills(122, 72, 92, `430${wave(70, 2, 1)}${wave(24, 5, 0)}`, 0.0002)}[far]`,
  `${hills(64, 44, 72, `520${wave(60, 2, 2)}${wave(18, 7, 0)}`, 0.0006)}[middle]`,
  `${hills(25, 24, 44, `620${wave(50, 1, 0)}${wave(14, 9, 2)}`, 0.0015)}[near]`,
  "[sky][sun]overlay[a];[a][far]overlay[b];[b][middle]overlay[c];[c][near]overlay,format=yuv420p[film]",
].join(";");
const studio = mkdtempSync(join(tmpdir(), "fstream-pictures-"));
const reel = join(studio, "film.mp4");
const h264 = [
  "-c:v",
  "libx264",
  "-preset",
  "ultrafast",
  "-tune",
  "zerolatency",
  "-g",
  "30",
  "-pix_fmt",
  "yuv420p",
];
const tone = ["-f", "lavfi", "-i", "sine=f=440:r=48000"];
const aac = ["-c:a", "aac"];

const pictures = (source: string) => ["-re", "-f", "lavfi", "-i", source];
/** What is broadcast: user, channel, and ffmpeg's arguments. */
const channels = [
  [
    "fier",
    "default",
    ["-re", "-stream_loop", "-1", "-i", reel, ...tone, "-c:v", "copy", ...aac, "-f", "mpegts"],
  ],
  [
    "ann",
    "garden camera",
    [...pictures("testsrc2=s=640x360:r=15"), ...h264, "-f", "mp4", "-movflags", "frag_keyframe+empty_moov"],
  ],
  ["ann", "workshop", [...pictures("testsrc=s=640x360:r=10"), ...tone, ...h264, ...aac, "-f", "flv"]],
  ["radio", "night", ["-re", ...tone, "-c:a", "libopus", "-f", "ogg"]],
] as const;

type Environment = Record<string, string>;

/** Broadcasts until the server stops. */
function broadcast(
  server: TestServer,
  user: string,
  channel: string,
  encode: readonly string[],
): Bun.Subprocess[] {
  const encoder = Bun.spawn(["ffmpeg", "-v", "quiet", ...encode, "-"], { stdin: "ignore", stdout: "pipe" });
  const client = Bun.spawn([...program, server.address, "broadcast", "--quiet"], {
    stdin: encoder.stdout,
    stderr: "ignore",
    env: {
      fserv_arg_user: user,
      fserv_arg_user_password: password,
      fserv_arg_channel: channel,
    } satisfies Environment,
  });
  return [client, encoder];
}

async function keep(page: Page, name: string): Promise<void> {
  const command = ["ffmpeg", "-v", "error", "-y", "-f", "png_pipe", "-i", "-", "-vf"];
  const filter = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=dither=none";
  const target = join(folder, `${name}.png`);
  const made = Bun.spawnSync([...command, filter, "-frames:v", "1", "-update", "1", target], {
    stdin: await page.picture(),
  });
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  await page.close();
  console.error(`wrote docs/pictures/${name}.png (${Math.ceil(Bun.file(target).size / 1024)} KiB)`);
}

/** A session in a terminal of 106 columns, as the person at it sees it in the end. */
async function terminal(server: TestServer, lines: number): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), "fstream-pictures-"));
  const tmux = (...args: string[]) =>
    Bun.spawnSync(["tmux", "-S", join(home, "socket"), ...args]).stdout.toString();
  symlinkSync(program[0], join(home, "fstream"));
  const environment = {
    fserv_arg_user: "fier",
    fserv_arg_user_password: password,
  };
  const variables = Object.entries(environment).flatMap(([key, value]) => ["-e", `${key}=${value}`]);
  tmux(
    "new-session",
    "-d",
    "-c",
    home,
    "-x",
    "106",
    "-y",
    String(lines),
    ...variables,
    `exec env PATH='${home}:${process.env.PATH}' PS1='$ ' bash --norc --noprofile`,
  );
  const type = (text: string, ...keys: string[]) =>
    tmux("send-keys", "-l", text) + tmux("send-keys", ...keys);
  const seen = () => tmux("capture-pane", "-p");
  try {
    await until("there is a prompt", () => seen().includes("$"));
    type("clear", "Enter");
    type("ffmpeg -v quiet -re -f lavfi -i testsrc2=s=640x360 -c:v libx264 -g 60 -f mpegts - |", "Enter");
    type(`  fstream ${server.address} broadcast --channel film`, "Enter");
    // Without a status line of its own until the end, as ffmpeg may have one.
    await until("the broadcast is known", () => server.run.stderr.includes("fier/film: mpegts"));
    await Bun.sleep(8000);
    type("", "C-c");
    await until("it is over", () => /\$ *\s*$/.test(seen()));
    type(`fstream ${server.address} watch --retry > recording.ts`, "Enter");
    await until("the watcher has run for a while", () => /watch[^]* 0:00:06 /.test(seen()));
    type("", "C-c");
    await until("it is over", () => (seen().match(/^\$/gm)?.length ?? 0) > 2);
    type(`fstream http://127.0.0.1:${server.port("http")} status`, "Enter");
    await until("the table is there", () => seen().includes("radio/night"));
    await until("it is over", () => (seen().match(/^\$/gm)?.length ?? 0) > 3);
    return seen().trimEnd().replace(/\n\$$/, "");
  } finally {
    tmux("kill-server");
    rmSync(home, { recursive: true });
  }
}

/** The terminal's text as a page. */
function set(text: string): string {
  const safe = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const lines = safe.split("\n").map((line) => line.replace(/^(\$|&gt;|>) (.*)/, "<i>$1</i> <b>$2</b>"));
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; padding: 28px 32px; background: #15181b; color: #b9c0c6; font: 16px/1.5 "DejaVu Sans Mono", monospace; }
    i { color: #55cdb6; font-style: normal } b { color: #fff; font-weight: 500 } pre { margin: 0; font: inherit }
  </style><pre>${lines.join("\n")}</pre>`;
}

mkdirSync(folder, { recursive: true });
Bun.spawnSync([
  "ffmpeg",
  "-v",
  "error",
  "-filter_complex",
  film,
  "-map",
  "[film]",
  "-t",
  "30",
  ...h264,
  reel,
]);
const any = "127.0.0.1:0";
const server = await TestServer.start({
  users,
  listeners: { listen: any, https_listen: any, http_listen: any },
});
const chromium = await Chromium.start(["--hide-scrollbars"]);
const running = channels.flatMap(([user, channel, encode]) => broadcast(server, user, channel, encode));
try {
  const site = `http://127.0.0.1:${server.port("http")}`;
  const screen = { width: 1280, height: 800 };
  const player = await chromium.open(`${site}/play/fier/default`, { ...screen, scheme: "dark" });
  await player.until(`document.querySelector(".player").dataset.state === "playing"`);
  // Until the rate is that of more than a moment.
  await player.until(
    `parseFloat(document.querySelector(".traffic > :last-child")?.textContent) > 0 && performance.now() > 20000`,
  );
  const list = await chromium.open(site, { width: 1280, height: 800 });
  await list.until("document.querySelectorAll('.card').length === 4");
  await keep(list, "list");
  await keep(player, "player");
  const page = await chromium.open("about:blank", { width: 1104, height: 100 });
  await page.evaluate(
    `document.write(${JSON.stringify(set(await terminal(server, 24)))}); document.close();`,
  );
  const height = await page.evaluate<number>("document.documentElement.scrollHeight");
  await page.show({ width: 1104, height });
  await keep(page, "terminal");
} finally {
  for (const process of running) process.kill();
  await chromium.stop();
  await server.stop();
  rmSync(studio, { recursive: true });
}
