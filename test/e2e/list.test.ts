// The page that lists what is live, and what holds for all pages: an accessibility checker finds nothing, on a phone and on a
// desktop, light and dark.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { desktop, type Page, phone } from "./chromium.ts";
import { canShow, plays, Stage, stateOf } from "./pages.ts";
import { deadlineMs } from "./program.ts";

const timeout = 3 * deadlineMs;
const axe = await Bun.file(Bun.resolveSync("axe-core/axe.min.js", import.meta.dir)).text();
const titles = "[...document.querySelectorAll('.card-link')].map((link) => link.textContent).join()";

/** What the checker finds on a page. */
async function faults(page: Page): Promise<unknown[]> {
  await page.evaluate(`${axe}; undefined`);
  return await page.evaluate(`axe.run().then(({ violations }) =>
    violations.map(({ id, nodes }) => ({ id, where: nodes.map(({ html, any }) => [html, any.map((check) => check.message)]) })))`);
}

describe.skipIf(!canShow)("the pages", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start();
  }, timeout);
  afterAll(async () => await stage.stop(), timeout);

  test(
    "list what is live, by themselves, and lead to its player; without anything they say how to broadcast",
    async () => {
      const page = await stage.open("/");
      await page.until(`document.body.innerText.includes("Nothing is live right now")`);
      const command = `fstream 127.0.0.1:${stage.server.port("tcp")} broadcast --user NAME`;
      await page.until(`document.body.innerText.includes(${JSON.stringify(command)})`);
      const first = await stage.broadcast("one", "mpegts");
      await page.until(`${titles} === "fier / one"`);
      const second = await stage.broadcast("t/w o", "webm");
      await page.until(`${titles} === "fier / one,fier / t/w o"`);
      const words = await page.words();
      for (const word of [
        "2 channels on the air",
        "MPEG-TS",
        "H.264",
        "AAC",
        "WebM",
        "VP9",
        "Opus",
        "320 × 180",
        "bit/s",
      ])
        expect(words).toContain(word);
      expect(words).not.toContain("Be the first");
      expect(await page.evaluate("document.querySelector('.list-head .button').getAttribute('href')")).toBe(
        "/play?ch=fier/one&ch=fier/t%2Fw%20o",
      );
      await first.end();
      await page.until(`${titles} === "fier / t/w o"`);
      await page.evaluate("document.querySelector('.card-link').click()");
      await page.until(`location.pathname === "/play/fier/t%2Fw%20o"`);
      await plays(page);
      await page.until(
        `document.body.innerText.includes("VP9") && document.querySelector(".watchers") !== null`,
      );
      expect(page.complaints).toEqual([]);
      await page.close();
      await second.end();
    },
    timeout,
  );

  test(
    "have nothing that an accessibility checker finds",
    async () => {
      const broadcasts = [
        await stage.broadcast("default", "mpegts"),
        await stage.broadcast("locked", "mpegts", { environment: { fserv_arg_channel_password: "x" } }),
        await stage.broadcast("hevc", "hevc"),
      ];
      const ready: Record<string, string> = {
        "/": "document.querySelector('.card') !== null",
        "/play/fier/default": `${stateOf()} === "playing"`,
        "/play/fier/nothing": `${stateOf()} === "not_live"`,
        "/play/fier/locked": `${stateOf()} === "password"`,
        "/play/fier/hevc": `${stateOf()} === "unplayable"`,
        "/play?ch=fier/default&ch=fier/nothing&ch=fier/hevc": `${stateOf()} === "playing"`,
        "/play?controls=0&ch=fier/default": `${stateOf()} === "playing"`,
        "/play": "document.querySelector('h1') !== null",
        "/broadcast/fier/default": "document.querySelector('.sources') !== null",
      };
      for (const [path, condition] of Object.entries(ready)) {
        const page = await stage.open(path, { ...desktop, scheme: "light" });
        await page.until(condition);
        for (const screen of [desktop, phone]) {
          for (const scheme of ["light", "dark"] as const) {
            await page.show({ ...screen, scheme });
            expect({ path, screen, scheme, faults: await faults(page) }).toEqual({
              path,
              screen,
              scheme,
              faults: [],
            });
          }
        }
        expect(page.complaints).toEqual([]);
        await page.close();
      }
      for (const broadcast of broadcasts) await broadcast.end();
    },
    timeout,
  );

  test(
    "have nothing that it finds while they broadcast",
    async () => {
      const page = await stage.open("/broadcast/fier/tab");
      await page.evaluate(`(() => {
        document.querySelector("#secret").value = "123";
        document.querySelector(".source:nth-child(2)").click();
      })()`);
      await page.until("document.querySelector('.desk-state.on') !== null");
      for (const screen of [desktop, phone]) {
        for (const scheme of ["light", "dark"] as const) {
          await page.show({ ...screen, scheme });
          expect({ screen, scheme, faults: await faults(page) }).toEqual({ screen, scheme, faults: [] });
        }
      }
      await page.close();
    },
    timeout,
  );
});
