// The player in a real browser, with real encoders.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Encoding, listen } from "./clockpicture.ts";
import { canShow, plays, Stage, shows, stateOf } from "./pages.ts";
import { deadlineMs } from "./program.ts";

const timeout = 3 * deadlineMs;
/**
 * What a player may be behind the encoder, milliseconds. Wide, since on a busy machine encoder and browser are late by
 * themselves; with FSTREAM_NEAR_MS=1500 it is held to what it reaches on a quiet one.
 */
const nearMs = Number(process.env["FSTREAM_NEAR_MS"] ?? 10_000);

describe.skipIf(!canShow)("the player", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start();
  }, timeout);
  afterAll(async () => await stage.stop(), timeout);

  const containers: readonly Encoding[] = ["mpegts", "flv", "fmp4", "webm", "matroska"];
  test.each(containers)(
    "plays %s: the picture is seen near live, and the tone is heard",
    async (encoding) => {
      const broadcast = await stage.broadcast(encoding, encoding);
      const page = await stage.open(`/play/fier/${encoding}`);
      await plays(page);
      await shows(page, nearMs);
      const heard = await page.until<{ hertz: number; level: number }>(
        `(async () => { const heard = await ${listen}; return heard.level > 120 && heard; })()`,
      );
      expect(Math.abs(heard.hertz - 440)).toBeLessThan(12);
      expect(page.complaints).toEqual([]);
      await page.close();
      await broadcast.end();
    },
    timeout,
  );

  test(
    "waits for a channel that is not live, starts by itself, and goes on after breaks, ends, other sizes and containers",
    async () => {
      const page = await stage.open("/play/fier/returns");
      await page.until(`${stateOf()} === "not_live"`);
      expect(await page.words()).toContain("is not live yet");
      const first = await stage.broadcast("returns", "mpegts");
      await plays(page);

      await first.breakOff();
      await page.until(`${stateOf()} === "interrupted"`);
      expect(await page.words()).toContain("The broadcast is interrupted");
      const second = await stage.broadcast("returns", "mpegts", { scale: "640:360" });
      await page.until("document.querySelector('video').videoWidth === 640");
      await plays(page);
      await shows(page, nearMs);

      await second.end();
      await page.until(`["ended", "not_live"].includes(${stateOf()})`);
      const third = await stage.broadcast("returns", "webm");
      await page.until("document.querySelector('video').videoWidth === 320");
      await plays(page);

      await third.breakOff();
      const fourth = await stage.broadcast("returns", "fmp4", { scale: "480:270" });
      await page.until("document.querySelector('video').videoWidth === 480");
      await plays(page);
      await shows(page, nearMs);
      expect(page.complaints).toEqual([]);
      await page.close();
      await fourth.end();
    },
    timeout,
  );

  test(
    "asks for a channel's password, says if it is wrong, and plays with the right one",
    async () => {
      const broadcast = await stage.broadcast("locked", "mpegts", {
        environment: { fserv_arg_channel_password: "open sesame" },
      });
      const page = await stage.open("/play/fier/locked");
      const give = (password: string) =>
        page.evaluate(`(() => {
          document.querySelector(".password-form input").value = ${JSON.stringify(password)};
          document.querySelector(".password-form button").click();
        })()`);
      await page.until(`document.querySelector(".password-form input") !== null`);
      await give("wrong");
      await page.until(`document.body.innerText.includes("Wrong password")`);
      await give("open sesame");
      await plays(page);
      expect(page.complaints).toEqual([]);
      await page.close();
      await broadcast.end();
    },
    timeout,
  );

  test(
    "says of a codec that this browser does not know which it is, and how to watch it otherwise",
    async () => {
      const broadcast = await stage.broadcast("hevc", "hevc");
      const page = await stage.open("/play/fier/hevc");
      await page.until(`${stateOf()} === "unplayable"`);
      const words = await page.words();
      expect(words).toContain("HEVC in MPEG-TS can’t be played in Chrome");
      expect(words).toContain(`${stage.site}/watch/fier/hevc`);
      expect(words).toContain(
        `fstream ${stage.server.address} watch --user fier --channel hevc | ffplay -analyzeduration 500k -i -`,
      );
      await broadcast.end();
      const another = await stage.broadcast("hevc", "mpegts");
      await plays(page);
      expect(page.complaints).toEqual([]);
      await page.close();
      await another.end();
    },
    timeout,
  );

  test(
    "is used with the keyboard alone",
    async () => {
      const broadcast = await stage.broadcast("keys", "mpegts");
      const page = await stage.open("/play/fier/keys");
      await plays(page);
      const video = "document.querySelector('video')";
      await page.press("m");
      await page.until(`${video}.muted`);
      await page.press("m");
      await page.until(`!${video}.muted`);
      await page.press("ArrowDown");
      await page.until(`Math.abs(${video}.volume - 0.9) < 0.01`);
      await page.press("ArrowUp");
      await page.until(`${video}.volume === 1`);
      await page.press(" ", "Space");
      await page.until(`${video}.paused`);
      await page.press(" ", "Space");
      await page.until(`!${video}.paused`);
      await page.press("f");
      await page.until("document.fullscreenElement === document.querySelector('.player')");
      await page.press("f");
      await page.until("document.fullscreenElement === null");
      await page.press("ArrowLeft");
      await page.until(`document.querySelector(".live").textContent.includes("behind")`);
      await page.press("End");
      await page.until(`document.querySelector(".live").textContent === "Live"`);
      await shows(page, nearMs);
      await page.close();
      await broadcast.end();
    },
    timeout,
  );

  test(
    "begins silent, or when it is asked, where its address says so",
    async () => {
      const broadcast = await stage.broadcast("options", "mpegts");
      const page = await stage.open("/play/fier/options?muted=1&autoplay=0&controls=false");
      await page.until(`document.querySelector(".begin:not([hidden])") !== null`);
      expect(await page.evaluate("document.querySelector('.controls')")).toBeNull();
      await page.evaluate(`document.querySelector(".begin").click()`);
      await plays(page);
      expect(await page.evaluate("document.querySelector('video').muted")).toBe(true);
      expect(await page.evaluate("document.querySelector('.unmute').hidden")).toBe(true);
      await page.close();
      await broadcast.end();
    },
    timeout,
  );

  test(
    "lets go of the stream while nobody sees or hears it, and comes back to live",
    async () => {
      const broadcast = await stage.broadcast("hidden", "mpegts");
      const page = await stage.open("/play/fier/hidden?muted=1");
      await plays(page);
      const hide = (hidden: boolean) =>
        page.evaluate(`(() => {
          Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        })()`);
      await hide(true);
      await page.until(`${stateOf()} === "asleep"`);
      await hide(false);
      await plays(page);
      await shows(page, nearMs);
      expect(page.complaints).toEqual([]);
      await page.close();
      await broadcast.end();
    },
    timeout,
  );

  test(
    "keeps nothing for long during a pause, and goes on at live",
    async () => {
      const broadcast = await stage.broadcast("paused", "webm");
      const page = await stage.open("/play/fier/paused");
      await plays(page);
      await page.click(".player video");
      await page.until("document.querySelector('video').paused");
      await page.until(`${stateOf()} === "asleep"`);
      await page.press("k");
      await plays(page);
      await shows(page, nearMs);
      await page.close();
      await broadcast.end();
    },
    timeout,
  );

  test(
    "shows sixteen channels on one page at once, of which one can be heard",
    async () => {
      const broadcasts = [await stage.broadcast("wall-a", "mpegts"), await stage.broadcast("wall-b", "webm")];
      const names = Array.from({ length: 16 }, (_, i) => `ch=fier/wall-${i % 2 === 0 ? "a" : "b"}`);
      const page = await stage.open(`/play?${names.join("&")}`);
      for (let i = 0; i < 16; i++) await page.until(`${stateOf(i)} === "playing"`);
      for (const i of [0, 1, 14, 15]) await plays(page, i);
      for (const i of [0, 1, 14, 15]) await shows(page, 5 * nearMs, i);
      const muted = "[...document.querySelectorAll('video')].filter((video) => !video.muted).length";
      expect(await page.evaluate(muted)).toBe(0);
      for (const i of [3, 7]) await page.evaluate(`document.querySelectorAll("video")[${i}].click()`);
      expect(await page.evaluate(muted)).toBe(1);
      expect(page.complaints).toEqual([]);
      await page.close();
      for (const broadcast of broadcasts) await broadcast.end();
    },
    timeout,
  );
});

describe.skipIf(!canShow)("the player, in a browser that plays no sound by itself", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start("--autoplay-policy=document-user-activation-required");
  }, timeout);
  afterAll(async () => await stage.stop(), timeout);

  test(
    "begins without sound, with a button for it",
    async () => {
      const broadcast = await stage.broadcast("quiet", "mpegts");
      const page = await stage.open("/play/fier/quiet");
      await plays(page);
      expect(await page.evaluate("document.querySelector('video').muted")).toBe(true);
      await page.until("!document.querySelector('.unmute').hidden");
      await page.click(".unmute");
      await page.until("!document.querySelector('video').muted && document.querySelector('.unmute').hidden");
      await plays(page);
      expect(page.complaints).toEqual([]);
      await page.close();
      await broadcast.end();
    },
    timeout,
  );
});

describe.skipIf(!canShow)("the player, in a browser that buffers little", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start("--mse-video-buffer-size-limit-mb=3", "--mse-audio-buffer-size-limit-mb=3");
  }, timeout);
  afterAll(async () => await stage.stop(), timeout);

  test(
    "plays on when its buffer has been full several times over, and after a pause that filled it",
    async () => {
      const broadcast = await stage.broadcast("much", "matroska", { scale: "640:360", hasNoise: true });
      const page = await stage.open("/play/fier/much");
      await plays(page);
      const source = await page.evaluate("document.querySelector('video').src");
      await page.until("document.querySelector('video').currentTime > 12");
      expect(await page.evaluate("document.querySelector('video').src")).toBe(source);
      await page.press("k");
      await page.until(`${stateOf()} === "asleep"`);
      await page.press("k");
      await plays(page);
      expect(page.complaints).toEqual([]);
      await page.close();
      await broadcast.end();
    },
    timeout,
  );
});
