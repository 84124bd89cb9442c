// Watchers that log in on the page, in a real browser.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { desktop, type Page, phone } from "./chromium.ts";
import { canShow, plays, Stage, stateOf } from "./pages.ts";
import { deadlineMs } from "./program.ts";

const timeout = 3 * deadlineMs;

describe.skipIf(!canShow)("a page of a server where watchers log in", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.startWith({
      users: {
        "fier.toml": 'password = "123"\n',
        "ann.toml": 'password = "abc"\nmay_watch = ["fier/hall", "fier/yard", "fier/locked"]\n',
      },
      auth: "authenticate_watchers = true",
    });
  }, timeout);
  afterAll(async () => await stage.stop(), timeout);

  const form = `document.querySelector(".login-form")`;
  const asks = async (page: Page) => await page.until(`${form} !== null`);
  const give = (page: Page, name: string, password: string) =>
    page.evaluate(`(() => {
      const [name, password] = ${form}.querySelectorAll("input");
      name.value = ${JSON.stringify(name)};
      password.value = ${JSON.stringify(password)};
      ${form}.querySelector("button").click();
    })()`);

  test(
    "asks for a name and a password, says what will not do, and plays for those who may",
    async () => {
      const broadcast = await stage.broadcast("hall", "mpegts");
      for (const screen of [desktop, phone]) {
        const page = await stage.open("/play/fier/hall", screen);
        await asks(page);
        expect(await page.words()).toContain("Log in to watch");
        await give(page, "ann", "wrong");
        await page.until(`document.body.innerText.includes("Wrong user or password")`);
        await give(page, "ann", "abc");
        await plays(page);
        expect(page.complaints).toEqual([]);
        await page.close();
      }
      expect(stage.server.run.stderr).not.toContain("must log in here");
      await broadcast.end();
    },
    timeout,
  );

  test(
    "lets another name be given where one may not watch, and asks for a channel's password after that",
    async () => {
      const broadcast = await stage.broadcast("cellar", "mpegts");
      const locked = await stage.broadcast("locked", "mpegts", {
        environment: { fserv_arg_channel_password: "open sesame" },
      });
      const page = await stage.open("/play/fier/cellar");
      await asks(page);
      await give(page, "ann", "abc");
      await page.until(`document.body.innerText.includes("Ann may not watch this channel")`);
      await give(page, "fier", "123");
      await plays(page);
      await page.close();

      const other = await stage.open("/play/fier/locked");
      await asks(other);
      await give(other, "ann", "abc");
      await other.until(`${stateOf()} === "password"`);
      await other.evaluate(`(() => {
        document.querySelector(".password-form input").value = "open sesame";
        document.querySelector(".password-form button").click();
      })()`);
      await plays(other);
      await other.close();
      await broadcast.end();
      await locked.end();
    },
    timeout,
  );

  test(
    "is asked once for all players of a wall",
    async () => {
      const broadcasts = [await stage.broadcast("hall", "mpegts"), await stage.broadcast("yard", "fmp4")];
      const page = await stage.open("/play?ch=fier/hall&ch=fier/yard");
      await page.until(`document.querySelectorAll(".login-form").length === 2`);
      await give(page, "ann", "abc");
      await plays(page, 0);
      await plays(page, 1);
      expect(page.complaints).toEqual([]);
      await page.close();
      for (const broadcast of broadcasts) await broadcast.end();
    },
    timeout,
  );
});
