import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { type Peer, standIn } from "../client/standin.ts";
import { originalServer } from "./original.ts";
import { deadlineMs, program, Run, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const folder = mkdtempSync(join(tmpdir(), "fstream-client-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fier = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };

/** What came of a run, once it has ended. */
async function result(run: Run): Promise<{ status: number; stdout: string; stderr: string }> {
  const status = await run.exit();
  return { status, stdout: Buffer.from(run.bytes).toString(), stderr: run.stderr };
}

/** Runs the program to its end. */
async function run(
  args: readonly string[],
  environment: Record<string, string> = {},
  stdin?: Uint8Array | string,
) {
  const started = new Run(args, environment);
  await started.finish(stdin);
  return await result(started);
}

/** A server that takes a whole broadcast and confirms it. */
async function takeAll(peer: Peer): Promise<void> {
  await peer.frame("ok");
  await peer.finished;
  await peer.frame(`ok,bytes=${peer.receivedBytes()}`);
  peer.fin();
}

test("the version is one line on stdout, with the commit, Bun and the target; for scripts it is JSON", async () => {
  const { stdout, ...ended } = await run(["--version"]);
  expect(ended).toEqual({ status: 0, stderr: "" });
  const [, commit, target] =
    /^fstream \S+ \(commit ([0-9a-f]{12}(?:-dirty)?|unknown), Bun [\d.]+, (\S+)\)\n$/.exec(stdout) ?? [];
  expect(stdout).toBe(`fstream ${version} (commit ${commit}, Bun ${Bun.version}, ${target})\n`);
  expect(target).toStartWith(`${process.platform}-${process.arch}`);
  expect((await run(["version"])).stdout).toBe(stdout);
  const json = await run(["--version", "--json"]);
  expect(JSON.parse(json.stdout)).toEqual({ version, commit, bun: Bun.version, target });
  expect((await run(["--version", "--jso"])).status).toBe(2);
});

test("the printed example works with a server of the original protocol", async () => {
  await using server = originalServer();
  const exported = { ...fier, fserv_arg_user_channel: "default", fserv_arg_channel_password: "456" };
  const broadcast = new Run([server.address, "broadcast"], exported);
  await broadcast.send("first ");
  await until("it says so", () => broadcast.stderr.includes("fserv_arg_channel"));
  while (server.requests.length === 0) await Bun.sleep(1);
  const watch = new Run([server.address, "watch"], {
    fserv_arg_user: "fier",
    fserv_arg_channel: "default",
    fserv_arg_channel_password: "456",
  });
  while (server.requests.length < 2) await Bun.sleep(1);
  await broadcast.send("second");
  await until("the watcher sees it", () => watch.length >= 6);
  expect("first second").toEndWith(Buffer.from(watch.bytes).toString());
  const whole = server.broadcast();
  await broadcast.finish();
  expect(await result(broadcast)).toMatchObject({
    status: 0,
    stdout: "",
    stderr:
      "fstream: hint: unknown variable fserv_arg_user_channel: did you mean fserv_arg_channel?\n" +
      "fstream: warning: the server did not confirm receiving the 12 bytes\n" +
      "fstream: hint: it may speak the original protocol, which has no confirmation, or not be an fstream server\n",
  });
  expect((await whole).toString()).toBe("first second");
  expect(await result(watch)).toMatchObject({ status: 0, stderr: "" });
  expect(server.requests[0]).toBe(
    "broadcast,user=fier,user_password=123,channel_password=456,user_channel=default,reply=1",
  );
  expect(server.requests[1]).toBe("watch,user=fier,channel=default,channel_password=456,reply=1");
});

test("a token of an original server is printed alone, serves once, and spares the password the journey", async () => {
  await using server = originalServer();
  const token = await run([server.address, "token"], fier);
  expect(token).toMatchObject({ status: 0, stderr: "" });
  expect(token.stdout).toMatch(/^[0-9a-f-]{36}\n$/);
  const env = { ...fier, fserv_arg_token: token.stdout.trim() };
  expect(await run([server.address, "broadcast"], env, "media")).toMatchObject({ status: 0 });
  expect(server.requests[1]).not.toContain("user_password");
  const again = new Run([server.address, "broadcast"], env);
  expect(await result(again)).toMatchObject({
    status: 5,
    stderr: expect.stringContaining("fstream: error: "),
  });
});

/** Answers with a frame and closes. */
function refuse(text: string) {
  return async (peer: Peer) => {
    await peer.frame(text);
    peer.fin();
  };
}

test("the statuses of watching tell an end, a cut, nothing there and a refusal apart", async () => {
  const cases: [
    script: (peer: Peer) => Promise<void> | void,
    status: number,
    stdout: string,
    stderr: RegExp,
  ][] = [
    [
      async (peer) => {
        await peer.frame("ok");
        await peer.send("media");
        peer.fin();
      },
      0,
      "media",
      /^$/,
    ],
    [
      async (peer) => {
        await peer.frame("ok");
        await peer.send("media");
        await peer.delivered();
        peer.reset();
      },
      5,
      "media",
      /^fstream: error: .*reset\nfstream: hint: .*--retry.*\n$/,
    ],
    [(peer) => peer.fin(), 4, "", /^fstream: error: nothing is live.*\nfstream: hint: use --wait.*\n$/],
    [refuse("error,code=not_live,message*=not live"), 4, "", /^fstream: error: not live\n/],
    [
      refuse("error,code=forbidden,message*=no%0Anewline"),
      3,
      "",
      /^fstream: error: no\\x0anewline\nfstream: hint: .*--channel-password.*\n$/,
    ],
    [refuse("error,code=limit,message*=full"), 6, "", /error: full\n/],
  ];
  for (const [script, status, stdout, stderr] of cases) {
    await using server = standIn(script);
    const ran = await run([server.address, "watch", "--user", "fier"]);
    expect([ran.status, ran.stdout]).toEqual([status, stdout]);
    expect(ran.stderr).toMatch(stderr);
  }
});

test("the verb may come first, and a flag beats the environment", async () => {
  await using server = standIn(async (peer) => {
    await peer.send("media");
    peer.fin();
  });
  const args = ["watch", "--user=other", server.address, "--channel-password", "a,b"];
  expect(await run(args, { ...fier, fserv_arg_wait: "7" })).toMatchObject({ status: 0 });
  expect(server.requests).toEqual(["watch,user=other,channel_password*=a%2Cb,wait=7,reply=1"]);
});

test("a secret file loses one line end, and beats the environment", async () => {
  const file = join(folder, "secret");
  await using server = standIn(takeAll);
  for (const [content, sent] of [
    ["p w\n", "p w"],
    ["pw\r\n", "pw"],
    ["pw\n\n", "pw\n"],
    ["pw", "pw"],
  ]) {
    writeFileSync(file, content);
    const ran = await run([server.address, "broadcast", "--user-password-file", file], fier, "x");
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(server.requests.at(-1)).toBe(`broadcast,user=fier,user_password=${sent},reply=1`);
  }
});

test("a variable's name can't add anything to a request", async () => {
  await using server = standIn((peer) => peer.fin());
  const env = {
    ...fier,
    "fserv_arg_x,user_password": "1",
    "fserv_arg_x\nuser": "2",
    "fserv_arg_user*": "3",
    fserv_arg_quality: "4",
    fserv_arg_reply: "0",
  };
  await run([server.address, "watch"], env);
  expect(server.requests).toEqual(["watch,user=fier,quality=4,reply=1"]);
});

const usage: [args: string[], says: RegExp][] = [
  [["nonsense"], /unknown command nonsense/],
  [["brodcast"], /unknown command brodcast\n.*did you mean broadcast/],
  [["127.0.0.1:1", "whatch"], /unknown command whatch\n.*did you mean watch/],
  [["127.0.0.1:1"], /missing command: watch, broadcast, token or status\n.*127.0.0.1:1 watch/],
  [["127.0.0.1:1", "watch", "--user", "x", "--wait", "5m"], /unexpected argument: 5m\n.*--wait=5m/],
  [["127.0.0.1:1", "watch", "--user", "x", "--start", "soon"], /--start must be join, next, live/],
  [["127.0.0.1:1", "watch", "--user-password", "x"], /--channel-password\?/],
  [["127.0.0.1:1", "broadcast", "x.ts"], /broadcast reads standard input: fstream ADDRESS broadcast < x\.ts/],
  [["--user", "x"], /missing command before --user/],
  [["--verson"], /missing command before --verson\n.*did you mean --version\?/],
  [
    ["serve", "--takeover", "false"],
    /unexpected argument: false\n.*write --takeover=false, with an equals sign/,
  ],
  [
    ["127.0.0.1:1", "status"],
    /doesn't take a host:port address\n.*https:\/\/127.0.0.1:61921 or http:\/\/127.0.0.1:PORT/,
  ],
  [["check", "--watch", "fier"], /--watch needs --login\n.*check --login NAME --watch fier/],
  [["serve", "extra"], /unexpected argument: extra\n.*--listen/],
  [["127.0.0.1:1", "--user", "x", "watch"], /missing command before --user\n.*flags come after/],
  [["127.0.0.1:1", "watch"], /watch needs a user\n.*--user NAME.*fserv_arg_user/],
  [["watch", "--user", "x"], /watch needs the server's address/],
  [["127.0.0.1:1", "watch", "more", "--user", "x"], /unexpected argument: more/],
  [["127.0.0.1:1", "watch", "--user", "x", "--wait=soon"], /--wait must be a duration such as/],
  [["https://127.0.0.1", "watch", "--user", "x"], /doesn't take an https:\/\/ address\n.*fstreams:/],
  [["127.0.0.1:1", "broadcast", "--user", "x"], /needs the user's password, or a token/],
  [["127.0.0.1:1", "token", "--user", "x"], /token needs the user's password/],
  [["127.0.0.1:1", "watch", "--user", "x", "--insecure"], /--insecure needs an address that uses TLS/],
  [["fstreams://127.0.0.1:1", "watch", "--user", "x", "--fingerprint", "12"], /64 hex digits/],
  [["127.0.0.1:1", "watch", "--user", "x", "--bufsize", "3"], /unknown flag --bufsize for watch/],
];

test.each(usage)("%p is a usage error", async (args, says) => {
  const ran = await run(args);
  expect([ran.status, ran.stdout]).toEqual([2, ""]);
  expect(ran.stderr).toMatch(says);
});

test("a server that is not there is a failed connection, and the error says so", async () => {
  const gone = standIn(() => undefined);
  gone.stop();
  expect(await run([gone.address, "watch"], fier)).toEqual({
    status: 5,
    stdout: "",
    stderr:
      `fstream: error: connection refused by ${gone.address}\n` +
      `fstream: hint: is the server running, and is ${gone.port} the right port?\n`,
  });
});

test("an HTTP port is no fstream server: watching writes nothing, broadcasting fails, and both say so", async () => {
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("page") });
  for (const verb of ["watch", "broadcast"]) {
    const ran = await run([`127.0.0.1:${server.port}`, verb], fier, "media");
    expect([ran.status, ran.stdout]).toEqual([1, ""]);
    expect(ran.stderr).toMatch(/^fstream: error: .* speaks HTTP, not fstream\nfstream: hint: .*61920.*\n$/);
  }
});

test("nor is a mail server's, which greets before it is asked anything", async () => {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => void socket.write("220 mail.example ESMTP\r\n"), data: () => undefined },
  });
  const place = `127.0.0.1:${server.port}`;
  for (const [address, says] of [
    [place, "speaks SMTP or FTP, not fstream"],
    [`fstreams://${place}`, "does not speak TLS"],
  ]) {
    for (const verb of ["watch", "broadcast"]) {
      const ran = await run([address, verb], fier, "media");
      expect([ran.status, ran.stdout]).toEqual([1, ""]);
      expect(ran.stderr).toStartWith(`fstream: error: ${place} ${says}\n`);
    }
  }
  server.stop(true);
});

test("an empty stdin is no error, but is said", async () => {
  await using server = standIn(takeAll);
  expect(await run([server.address, "broadcast"], fier)).toEqual({
    status: 0,
    stdout: "",
    stderr: "fstream: warning: standard input was empty; nothing was broadcast\n",
  });
});

test("help of help is the overview", async () => {
  const overview = await run(["--help"]);
  expect(overview).toMatchObject({ status: 0, stderr: "" });
  expect(await run(["help", "help"])).toEqual(overview);
  expect(await run(["127.0.0.1:1", "--help"])).toEqual(overview);
});

/** Runs the program on a terminal. */
function onTerminal(args: readonly string[]) {
  const seen = { text: "" };
  const decoder = new TextDecoder();
  const child = Bun.spawn([...program, ...args], {
    env: { PATH: process.env.PATH ?? "", ...fier },
    terminal: {
      cols: 200,
      rows: 24,
      data: (_, bytes) => void (seen.text += decoder.decode(bytes, { stream: true })),
    },
  });
  return { child, seen };
}

const posix = test.skipIf(process.platform === "win32");

posix("bytes are not written to a terminal", async () => {
  await using server = standIn((peer) => peer.fin());
  const { child, seen } = onTerminal([server.address, "watch"]);
  expect(await child.exited).toBe(2);
  await until("it says so", () =>
    /won't write a stream to a terminal\r\n[^]*watch \| ffplay/.test(seen.text),
  );
  expect(server.requests).toEqual([]);
});

posix("on a terminal the first Ctrl-C is answered by a message while the input goes on", async () => {
  await using server = standIn(takeAll);
  const { child, seen } = onTerminal([server.address, "broadcast"]);
  await until("the request is there", () => server.requests.length > 0);
  child.kill("SIGINT");
  await until("it says so", () => seen.text.includes("press Ctrl-C again to stop now"));
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
});

test("stdin arrives whole, and the status is 0 only if the server took all of it", async () => {
  const input = new Uint8Array(3_000_000).map((_, index) => index >> 7);
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    const bytes = await peer.finished;
    const same = bytes.equals(input) ? bytes.length : 0;
    await peer.frame(`ok,bytes=${peer.number === 1 ? same : same - 1}`);
    peer.fin();
  });
  expect(await run([server.address, "broadcast"], fier, input)).toMatchObject({ status: 0, stderr: "" });
  const short = await run([server.address, "broadcast"], fier, input);
  expect(short).toMatchObject({
    status: 5,
    stderr: "fstream: error: the server received only 2999999 of 3000000 bytes\n",
  });
});

test("a broadcaster that is replaced stops at once, although stdin goes on, and does not retry", async () => {
  await using server = standIn(async (peer) => {
    await peer.until(5);
    await peer.frame("error,code=replaced,message*=another broadcast took over");
  });
  const broadcast = new Run([server.address, "broadcast", "--retry"], fier);
  await broadcast.send("media");
  expect(await result(broadcast)).toMatchObject({
    status: 3,
    stderr: expect.stringContaining("fstream: error: another broadcast took over\n"),
  });
  expect(server.requests.length).toBe(1);
});

test("a reader of stdout that goes away ends a watch quietly", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    const bytes = new Uint8Array(100_000);
    for (let i = 0; i < 1000; i++) await peer.send(bytes);
    peer.fin();
  });
  const binary =
    process.env.FSTREAM_BIN ?? `${process.execPath} ${join(import.meta.dir, "../../src/main.ts")}`;
  const shell = Bun.spawn(
    [
      "bash",
      "-c",
      `${binary} ${server.address} watch --user fier | head -c 1000 | wc -c; echo "\${PIPESTATUS[0]}"`,
    ],
    { stdout: "pipe", stderr: "pipe", env: { PATH: process.env.PATH ?? "" } },
  );
  const [out, err] = [await new Response(shell.stdout).text(), await new Response(shell.stderr).text()];
  expect([out.split(/\s+/).filter(Boolean), err]).toEqual([["1000", "0"], ""]);
});

test("a token and a place to fetch one from exclude each other", async () => {
  const flags = ["--token=abc", "--token-from=https://127.0.0.1:1"];
  expect(await run(["127.0.0.1:1", "broadcast", ...flags], fier)).toMatchObject({
    status: 2,
    stderr: "fstream: error: --token-from and --token can't be used together\n",
  });
});
