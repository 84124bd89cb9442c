// Broadcasting from a tab, in a real browser: its camera is a made-up one that beeps.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "./chromium.ts";
import { canShow, plays, Stage, stateOf } from "./pages.ts";
import { deadlineMs, until } from "./program.ts";

const timeout = 3 * deadlineMs;
const state = "document.querySelector('.desk-state')?.textContent";

async function begin(page: Page, source: string, secret = "123"): Promise<void> {
  await page.evaluate(`(() => {
    document.querySelector("#secret").value = ${JSON.stringify(secret)};
    [...document.querySelectorAll(".source")].find((button) => button.textContent === "${source}").click();
  })()`);
}

/** Lets a test have a hand in the page's connections: which there were, and how much seems to wait in them. */
const tamper = `(() => {
  const { WebSocket } = window;
  window.sockets = [];
  window.waiting = () => 0;
  window.WebSocket = class extends WebSocket {
    constructor(...all) {
      super(...all);
      window.sockets.push(this);
    }
    get bufferedAmount() {
      return super.bufferedAmount + window.waiting();
    }
  };
})()`;

/** What ffmpeg says of a join of the channel that lasts for a while: nothing, if all is well. */
async function decode(url: string): Promise<{ status: number; words: string; frames: number }> {
  const output = ["-map", "0:v", "-f", "framemd5", "-"];
  const run = Bun.spawn(["ffmpeg", "-v", "warning", "-xerror", "-t", "2", "-i", url, ...output], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [frames, words] = await Promise.all([run.stdout.text(), run.stderr.text()]);
  const count = frames.split("\n").filter((line) => /^\d/.test(line)).length;
  return { status: await run.exited, words, frames: count };
}

describe.skipIf(!canShow)("a tab that broadcasts", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start();
  }, timeout);
  afterAll(async () => await stage.stop(), timeout);

  test(
    "is played by another, whoever joins late gets clean pictures, and its end is an orderly one",
    async () => {
      const page = await stage.open("/broadcast/fier/tab");
      await begin(page, "Camera");
      await page.until(`${state} === "On the air"`);
      const player = await stage.open("/play/fier/tab");
      await plays(player);
      for (let i = 0; i < 4; i++) {
        const { status, words, frames } = await decode(`${stage.site}/watch/fier/tab`);
        expect({ status, words }).toEqual({ status: 0, words: "" });
        expect(frames).toBeGreaterThan(5);
      }
      await page.until(`document.querySelector(".figures").innerText.includes("Watching\\n1")`);
      expect(await page.evaluate("document.querySelector('video.preview').videoWidth")).toBeGreaterThan(0);
      await page.evaluate(`document.querySelector(".desk .danger").click()`);
      await page.until(`document.querySelector(".problem").textContent.includes("has all of it")`);
      await player.until(`["ended", "not_live"].includes(${stateOf()})`);
      expect(page.complaints).toEqual([]);
      expect(player.complaints).toEqual([]);
      await page.close();
      await player.close();
    },
    timeout,
  );

  test(
    "broadcasts a microphone alone, with a token",
    async () => {
      const asked = await fetch(`${stage.site}/token`, {
        method: "POST",
        headers: { Authorization: `Basic ${btoa("fier:123")}` },
      });
      const page = await stage.open("/broadcast/fier/sound");
      await page.evaluate(`document.querySelector("input[value=token]").click()`);
      await begin(page, "Microphone", (await asked.text()).trim());
      await page.until(`${state} === "On the air"`);
      const player = await stage.open("/play/fier/sound");
      await plays(player);
      expect(page.complaints).toEqual([]);
      await page.close();
      await player.close();
    },
    timeout,
  );

  test(
    "says that a password is wrong, and lets it be tried again",
    async () => {
      const page = await stage.open("/broadcast/fier/again");
      await begin(page, "Camera", "wrong");
      await page.until(`document.querySelector(".problem").textContent.includes("Wrong password")`);
      await begin(page, "Camera");
      await page.until(`${state} === "On the air"`);
      await page.close();
    },
    timeout,
  );

  test(
    "comes back by itself when its connection breaks, and so does its player",
    async () => {
      const page = await stage.open("/broadcast/fier/breaks");
      await page.evaluate(tamper);
      await begin(page, "Camera");
      await page.until(`${state} === "On the air"`);
      const player = await stage.open("/play/fier/breaks");
      await plays(player);
      await page.evaluate("window.sockets[0].close()");
      await page.until(`window.sockets.length === 2 && ${state} === "On the air"`);
      await plays(player);
      const { words } = await decode(`${stage.site}/watch/fier/breaks`);
      expect(words).toBe("");
      await page.close();
      await player.close();
    },
    timeout,
  );

  test(
    "makes less where its connection is slow, and whoever plays it goes on",
    async () => {
      const page = await stage.open("/broadcast/fier/slow");
      await page.evaluate(tamper);
      await begin(page, "Camera");
      await page.until(`${state} === "On the air"`);
      const player = await stage.open("/play/fier/slow");
      await plays(player);
      const source = await player.evaluate<string>("document.querySelector('video').src");
      await page.evaluate("(() => { let bytes = 0; window.waiting = () => bytes += 100_000; })()");
      await page.until(`document.querySelector(".desk-note").textContent.includes("The connection is slow")`);
      expect(await page.evaluate("window.sockets.length")).toBe(1);
      await page.evaluate("window.waiting = () => 0");
      await page.until(`window.sockets.length === 2 && ${state} === "On the air"`);
      await player.until(`document.querySelector("video").src !== ${JSON.stringify(source)}`);
      await plays(player);
      expect(page.complaints).toEqual([]);
      await page.close();
      await player.close();
    },
    timeout,
  );

  test(
    "is told by the page to come over HTTPS where browsers ask for that",
    async () => {
      const elsewhere = stage.site.replace("127.0.0.1", "relay.example");
      const page = await stage.open("/");
      const problem = await until("the page is there", async () => {
        await page.go(`${elsewhere}/broadcast/fier/default`);
        return await page.evaluate<string>("document.querySelector('.problem')?.textContent");
      });
      expect(problem).toContain("over HTTPS or on localhost.");
      await page.close();
    },
    timeout,
  );
});
