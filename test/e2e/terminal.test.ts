// A terminal that has been stopped (Ctrl-S; a connection to it that hangs is the same) takes no words, and holds nothing up.

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { standIn } from "../client/standin.ts";
import { deadlineMs, Peer, program, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const folder = mkdtempSync(join(tmpdir(), "fstream-terminal-"));
afterAll(() => rmSync(folder, { recursive: true }));
const linux = test.skipIf(process.platform !== "linux");
const stop = "\x13";
const goOn = "\x11";

/** Runs words of a command line on a terminal of their own. */
function onTerminal(words: readonly string[]) {
  const shown = { text: "" };
  const child = Bun.spawn([...words], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "" },
    terminal: {
      data: (_, bytes) => {
        shown.text += Buffer.from(bytes).toString("latin1");
      },
    },
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("no terminal");
  return { child, terminal, shown };
}

linux("a server goes on serving, and stops in order", async () => {
  mkdirSync(join(folder, "users"));
  writeFileSync(join(folder, "users", "fier.ini"), "[DEFAULT]\npassword=123\n");
  const listen = ["--listen", "127.0.0.1:0", "--https-listen", ""];
  const { child, terminal, shown } = onTerminal([...program, "serve", ...listen]);
  await until("it is ready", () => shown.text.includes("fstream: ready"));
  const port = Number(/listening on tcp .*:(\d+)/.exec(shown.text)?.[1]);
  terminal.write(stop);
  for (let i = 0; i < 50; i++) {
    const peer = await Peer.dial(port);
    peer.request(`watch,user=nobody-${i},reply=1`);
    await peer.ended();
    expect(peer.text).toContain("error,code=not_live");
  }
  expect(shown.text).not.toContain("nobody");
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  terminal.close();
});

linux("what a server had to say meanwhile is said when the terminal goes on", async () => {
  const listen = ["--listen", "127.0.0.1:0", "--https-listen", ""];
  const { child, terminal, shown } = onTerminal([...program, "serve", ...listen]);
  await until("it is ready", () => shown.text.includes("fstream: ready"));
  terminal.write(stop);
  const peer = await Peer.dial(Number(/listening on tcp .*:(\d+)/.exec(shown.text)?.[1]));
  peer.request("watch,user=somebody,reply=1");
  await peer.ended();
  terminal.write(goOn);
  await until("it is said", () => shown.text.includes("watch of somebody from 127.0.0.1 refused"));
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  await until("the end is said", () => shown.text.includes("fstream: SIGTERM: stopping"));
  terminal.close();
});

linux("a stream goes on beside a status line", async () => {
  const piece = new Uint8Array(1000).fill(0x61);
  let asked = 0;
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    while (asked < 1000) {
      await until("more is asked for", () => asked > 0);
      await peer.send(piece);
      asked++;
      await Bun.sleep(2);
    }
    peer.fin();
  });
  const words = program.map((word) => `'${word}'`).join(" ");
  const { child, terminal, shown } = onTerminal([
    "bash",
    "-c",
    `${words} ${server.address} watch --user fier > '${join(folder, "stream")}'`,
  ]);
  await until("the status line is there", () => shown.text.includes("fstream: 0:00"));
  terminal.write(stop);
  asked = 1;
  await until("all of it has come", () => statSync(join(folder, "stream")).size >= 999_000);
  expect(await child.exited).toBe(0);
  terminal.close();
});
