// A terminal that has been stopped (Ctrl-S; a connection to it that hangs is the same) takes no words, and holds nothing up. One
// that a password was asked for on is given back as it was.

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
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

/** A server that has more to say than a terminal that is stopped takes. */
async function verboseServer() {
  mkdirSync(join(folder, "users"), { recursive: true });
  const flags = ["--listen", "127.0.0.1:0", "--https-listen", "", "--log-level", "debug"];
  const { child, terminal, shown } = onTerminal([...program, "serve", ...flags]);
  await until("it is ready", () => shown.text.includes("fstream: ready"));
  const port = Number(/listening on tcp .*:(\d+)/.exec(shown.text)?.[1]);
  terminal.write(stop);
  for (let i = 1; i <= 200; i++) {
    const watcher = await Peer.dial(port);
    watcher.request(`watch,user=fier,channel=${"x".repeat(50)}${i},wait=60`);
    const asking = await Peer.dial(port);
    asking.request("end,id=0,reply=1");
    await asking.ended();
    expect(asking.text).toContain("error,code=not_live");
  }
  expect(shown.text).not.toContain("x200\r\n");
  return { child, terminal, shown };
}

linux("a server goes on serving, and stops in order", async () => {
  const { child, terminal } = await verboseServer();
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  terminal.close();
});

linux("what a server had to say meanwhile is said when the terminal goes on", async () => {
  const { child, terminal, shown } = await verboseServer();
  terminal.write(goOn);
  await until("it is said", () => shown.text.includes("x200\r\n"));
  expect(shown.text.split(" watches fier/").length - 1).toBe(200);
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

linux(
  "in a pipeline no status line is drawn over another program's: there is the total at the end",
  async () => {
    await using server = standIn(async (peer) => {
      await peer.frame("ok");
      if (peer.text.startsWith("watch,")) {
        await peer.send("media");
        return peer.fin();
      }
      const bytes = await peer.finished;
      await peer.frame(`ok,bytes=${bytes.length}`);
      peer.fin();
    });
    const words = program.map((word) => `'${word}'`).join(" ");
    const total = /\r\x1b\[Kfstream: 0:00:0\d {2}\S+ k?B\/s {2}5 B\r\n/;
    for (const [line, live] of [
      [
        `(printf media; sleep 1; printf '%s\r' status >&2) | ${words} ADDRESS broadcast --user-password 123`,
        false,
      ],
      [`${words} ADDRESS watch | (cat > /dev/null; printf '%s\r' status >&2; sleep 1)`, false],
      [`${words} ADDRESS watch > '${join(folder, "stream")}'`, true],
    ] as const) {
      const script = `export fserv_arg_user=fier; ${line.replace("ADDRESS", server.address)}; echo over`;
      const { child, terminal, shown } = onTerminal(["bash", "-c", script]);
      await until("it is over", () => shown.text.includes("over\r\n"));
      expect(await child.exited).toBe(0);
      terminal.close();
      expect(shown.text).toMatch(total);
      expect([line, shown.text.split("\x1b[K").length > 2]).toEqual([line, live]);
    }
  },
);

linux("a message takes the place of what another program has left in the line", async () => {
  const words = program.map((word) => `'${word}'`).join(" ");
  const { child, terminal, shown } = onTerminal(["bash", "-c", `printf 'frame=  1'; ${words} nowhere`]);
  await child.exited;
  await until("it says so", () => shown.text.includes("hint"));
  expect(shown.text).toStartWith("frame=  1\r\x1b[Kfstream: error: unknown command nowhere\r\n");
  terminal.close();
});

linux("a broadcast shows where people can watch, once, and as nothing but an address", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("ok,url*=https://relay.example/play/fier/%1B%5B2J%0Afstream: error%2C");
    const bytes = await peer.finished;
    await peer.frame(`ok,bytes=${bytes.length}`);
    peer.fin();
  });
  const words = program.map((word) => `'${word}'`).join(" ");
  const broadcast = `${words} ${server.address} broadcast --user fier --user-password 123`;
  const { child, terminal, shown } = onTerminal(["bash", "-c", `echo media | ${broadcast}; echo over`]);
  await until("it is over", () => shown.text.includes("over\r\n"));
  expect(shown.text.match(/watch at .*/g)).toEqual([
    "watch at https://relay.example/play/fier/%1B[2Jfstream:%20error,",
  ]);
  await child.exited;
  terminal.close();
  const quiet = Bun.spawn(["bash", "-c", `echo media | ${broadcast}`], { stderr: "pipe" });
  expect(await new Response(quiet.stderr).text()).toBe("");
  expect(await quiet.exited).toBe(0);
});

/** A script on a terminal, whose arguments are a command that asks for a password. */
function askingForPassword(script: string) {
  return onTerminal(["bash", "-c", script, "-", ...program, "user", "add", "bob"]);
}

linux("Ctrl-C where a password is asked for is 130, and the terminal shows what is typed again", async () => {
  const script = `"$@"; echo "status=$?"; stty -a`;
  const { child, terminal, shown } = askingForPassword(script);
  await until("it asks", () => /password.*: ?$/i.test(shown.text));
  terminal.write("half\x03");
  await child.exited;
  await until("the state is shown", () => / icanon /.test(shown.text));
  expect(shown.text).toContain("status=130");
  expect(shown.text).toMatch(/ echo /);
  terminal.close();
});

linux.each([
  "SIGHUP",
  "SIGQUIT",
  "SIGTERM",
  "SIGINT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGXCPU",
] as const)(
  "a terminal shows what is typed again after %s while a password was asked for",
  async (signal) => {
    const script = `trap : HUP INT; bash -c 'echo pid=$$; exec "$@"' - "$@"; echo; stty -a`;
    const { child, terminal, shown } = askingForPassword(script);
    await until("it asks", () => /password.*: ?$/i.test(shown.text));
    process.kill(Number(/pid=(\d+)/.exec(shown.text)?.[1]), signal);
    await child.exited;
    expect(shown.text).toMatch(/ echo /);
    expect(shown.text).toMatch(/ icanon /);
    terminal.close();
  },
);
