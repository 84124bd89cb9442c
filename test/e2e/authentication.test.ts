// Operators' own authentication, with the real program: a module with an import and a database, a shell script, and a service
// that was written for MediaMTX. What is asked of each is said by the user's name; who has the right password is in their hands.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isSecret } from "../secrets.ts";
import {
  deadlineMs,
  noise,
  type Peer,
  Run,
  type ServerOptions,
  sha256,
  TestServer,
  until,
} from "./program.ts";
import { SocketClient } from "./socketclient.ts";

setDefaultTimeout(2 * deadlineMs);

const password = "foobar-secret";
isSecret(password);
const okBytes = "\0\0\0\x02\0ok".length;

/** What all three do, in the language of each. `gated` is let in once there is a file `go`. */
const moduleFiles = {
  "auth.ts": `
    import { Database } from "bun:sqlite";
    import { appendFileSync, existsSync } from "node:fs";
    import { add } from "./people.ts";
    const people = new Database(import.meta.dir + "/people.sqlite");
    await add(people, "fier");
    export async function authenticate(request) {
      const { action, user, watcher } = request;
      const name = action === "watch" ? (watcher ?? "") : user;
      appendFileSync(import.meta.dir + "/asked", JSON.stringify({ ...request, password: undefined }) + "\\n");
      switch (name) {
        case "told": return { allow: false, reason: "only on Sundays", tellReason: true };
        case "untold": return { allow: false, reason: "owes money" };
        case "garbage": return "yes";
        case "never": return new Promise(() => {});
        case "throw": throw new Error("the database is away");
        case "exit": process.exit(3);
        case "loop": while (true);
        case "gated": while (!existsSync(import.meta.dir + "/go")) await Bun.sleep(10); return true;
        case "brief": return { allow: true, validSeconds: 1 };
        case "small": return { allow: true, maxBitrate: 8000, maxWatchers: 1, channels: ["default", "cam*"] };
      }
      const found = people.query("select hash from people where name = ?").get(name);
      return found !== null && (await Bun.password.verify(request.password ?? "", found.hash));
    }`,
  "people.ts": `
    export async function add(people, name) {
      people.run("create table if not exists people (name text primary key, hash text)");
      const hash = await Bun.password.hash("${password}", { algorithm: "argon2id", memoryCost: 8, timeCost: 1 });
      people.query("insert or replace into people values (?, ?)").run(name, hash);
    }`,
};

const script = `#!/bin/sh
cd "$(dirname "$0")"
read -r request
case $request in
  '{"action":"watch"'*) name=\${request#*'"watcher":"'} ;;
  *) name=\${request#*'"user":"'} ;;
esac
name=\${name%%'"'*}
printf '%s\\n' "$request" | sed 's/"password":"[^"]*",//' >> asked
case $name in
  told) echo '{"allow":false,"reason":"only on Sundays","tellReason":true}'; exit 1 ;;
  untold) echo '{"allow":false,"reason":"owes money"}'; exit 1 ;;
  garbage) echo yes ;;
  never) sleep 600 & wait ;;
  throw) echo "the database is away" >&2; exit 3 ;;
  exit) kill -9 $$ ;;
  gated) while ! [ -e go ]; do sleep 0.05; done ;;
  brief) echo '{"allow":true,"validSeconds":1}' ;;
  small) echo '{"allow":true,"maxBitrate":8000,"maxWatchers":1,"channels":["default","cam*"]}' ;;
  fier) case $request in *'"password":"${password}"'*) exit 0 ;; *) exit 1 ;; esac ;;
  *) exit 1 ;;
esac
`;

/** Exactly what MediaMTX sends. */
const mediaMtxKeys = "action id ip password path protocol query token user userAgent";

interface Own {
  readonly name: string;
  /** Starts a server that asks it. */
  start(options?: ServerOptions): Promise<TestServer>;
  /** What it was asked, without passwords. */
  asked(): Record<string, string>[];
  /** Lets `gated` in. */
  open(): void;
  stop(): Promise<void>;
}

/** One that is a file in the server's folder. */
function inFolder(name: string, files: Record<string, string>, auth: string): Own {
  let server: TestServer | undefined;
  const folder = () => server?.folder ?? "";
  return {
    name,
    start: async (options = {}) => {
      const limits = `${auth}\ntimeout = "1s"\n${options.auth ?? ""}`;
      server = await TestServer.start({ ...options, files: { ...files, ...options.files }, auth: limits });
      return server;
    },
    asked: () =>
      readFileSync(join(folder(), "asked"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, string>),
    open: () => writeFileSync(join(folder(), "go"), ""),
    stop: async () => void (await server?.stop()),
  };
}

/** A service, in this process. */
function service(): Own {
  let server: TestServer | undefined;
  let asked: Record<string, string>[] = [];
  let gate = Promise.withResolvers<void>();
  const answer = async (request: Request): Promise<Response> => {
    const body = (await request.json()) as Record<string, string>;
    if (request.method !== "POST" || Object.keys(body).sort().join(" ") !== mediaMtxKeys)
      throw new Error(`not MediaMTX's request: ${JSON.stringify(body)}`);
    asked.push({ ...body, password: "" });
    switch (body.user) {
      case "told":
        return Response.json({ allow: false, reason: "only on Sundays", tellReason: true }, { status: 401 });
      case "untold":
        return new Response("owes money", { status: 403 });
      case "garbage":
        return Response.json({ allow: "yes" });
      case "never":
        return await new Promise(() => {});
      case "throw":
        throw new Error("the database is away");
      case "exit":
        return Response.redirect("/elsewhere");
      case "gated":
        await gate.promise;
        return new Response();
      case "brief":
        return Response.json({ allow: true, validSeconds: 1 });
      case "small":
        return Response.json({
          allow: true,
          maxBitrate: 8000,
          maxWatchers: 1,
          channels: ["default", "cam*"],
        });
      default:
        return new Response("", { status: body.user === "fier" && body.password === password ? 200 : 401 });
    }
  };
  const http = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: answer,
    error: () => new Response("", { status: 500 }),
  });
  return {
    name: "a service for MediaMTX",
    start: async (options = {}) => {
      asked = [];
      gate = Promise.withResolvers();
      const url = `authenticator = "http"\nurl = "http://127.0.0.1:${http.port}/auth"`;
      server = await TestServer.start({ ...options, auth: `${url}\ntimeout = "1s"\n${options.auth ?? ""}` });
      return server;
    },
    asked: () => asked,
    open: () => gate.resolve(),
    stop: async () => void (await server?.stop()),
  };
}

const module = 'authenticator = "module"\nmodule = "auth.ts"';
const owns: readonly Own[] = [
  inFolder("a module", moduleFiles, module),
  inFolder("a shell script", { "auth.sh": script }, 'authenticator = "command"\ncommand = ["./auth.sh"]'),
  service(),
];

const listeners = {
  listen: "127.0.0.1:0",
  tls_listen: "127.0.0.1:0",
  https_listen: "127.0.0.1:0",
  http_listen: "127.0.0.1:0",
};

/** A broadcaster that has sent its request. */
async function asks(
  server: TestServer,
  user: string,
  media: Uint8Array | string = "",
  channel = "default",
): Promise<Peer> {
  const peer = await server.dial();
  const request = `broadcast,user=${user},user_password=${password},channel=${channel},reply=1`;
  return peer.request(request, "\n\n", media);
}

/** What it is answered. */
async function answered(peer: Peer): Promise<string> {
  await until("it is answered", () => peer.length >= okBytes || peer.end !== "open");
  await until("all of the answer is there", () => {
    const { bytes } = peer;
    return bytes.length >= 5 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  });
  return decodeURIComponent(peer.text.slice(5));
}

/** What a server says that does not start. */
async function problem(auth: string, files: Record<string, string> = {}): Promise<string> {
  const started = TestServer.start({ auth, files });
  return await started.then(
    async (server) => `started ${await server.stop()}`,
    (error: Error) => error.message,
  );
}

/** A watcher in the protocol. */
function raw(address: string, environment: Record<string, string>, ...flags: string[]): Run {
  return new Run([address, "watch", "--quiet", ...flags], { fserv_arg_user: "fier", ...environment });
}

function basic(given: string): Record<string, string> {
  return { Authorization: `Basic ${btoa(`fier:${given}`)}` };
}

for (const own of owns) {
  describe(own.name, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await own.start({ fstream: 'hold = "0s"' });
    }, deadlineMs);
    afterAll(async () => await own.stop(), deadlineMs);

    const broadcast = (user: string, given = password) =>
      server.broadcast({ fserv_arg_user: user, fserv_arg_user_password: given });

    test("gives a reason to the one who asked, or to the log alone", async () => {
      const untold = await broadcast("untold").outcome();
      expect(untold).toMatchObject({ status: 3 });
      expect(untold.stderr).toContain("error: wrong user or password\n");
      await server.says(
        /broadcast of untold\/[a-z]+ from 127.0.0.1 refused: wrong user or password \(unauthorized\): .*owes money\n/,
      );
      const told = await broadcast("told").outcome();
      expect([told.status, told.stderr]).toEqual([
        3,
        expect.stringContaining("error: only on Sundays\n") as never,
      ]);
    });

    test("lets in who has the right password, and nobody else", async () => {
      const right = broadcast("fier");
      await right.finish("hello");
      expect(await right.outcome()).toMatchObject({ status: 0 });
      for (const [user, given] of [
        ["fier", "wrong-secret"],
        ["nobody", password],
      ]) {
        const { status, stderr } = await broadcast(user, given).outcome();
        expect([status, stderr]).toEqual([
          3,
          expect.stringContaining("error: wrong user or password\n") as never,
        ]);
      }
    });

    test("that takes too long, fails or says nonsense lets nobody in, and is asked again", async () => {
      const failing =
        own.name === "a module"
          ? ["never", "throw", "exit", "garbage", "loop"]
          : ["never", "throw", "exit", "garbage"];
      for (const user of failing) {
        const run = broadcast(user);
        const { status } = await run.outcome();
        // A script that fails has refused; nothing of it is worth another attempt but what may have passed by then.
        expect([1, 3, 6]).toContain(status);
        const peer = await asks(server, "fier");
        await until("another one is let in", async () => {
          if (peer.length >= okBytes) return true;
          if (peer.end === "open") return false;
          throw new Error(peer.text);
        });
        peer.reset();
      }
      await server.says(/can't authenticate: no answer within 1000 ms\n/);
      expect(server.run.stderr).not.toContain("a bug");
    });

    test("may be slow with one beside others that are fast", async () => {
      const slow = await asks(server, "never");
      for (let i = 0; i < 3; i++) {
        const fast = await asks(server, "fier");
        expect((await answered(fast)).slice(0, 2)).toBe("ok");
        fast.reset();
      }
      expect(await answered(slow)).toContain("can't check logins at the moment");
    });

    test("decides before a byte of the stream is taken, and then none is missing", async () => {
      const media = noise(3_000_000);
      const waiting = server.watch({ fserv_arg_user: "gated", fserv_arg_wait: "60" });
      await server.watched("gated/default", 1);
      const broadcaster = await asks(server, "gated", media);
      await until("it is asked", () => own.asked().some(({ user }) => user === "gated"));
      // By the time another is let in, what this one has sent would have been taken.
      const other = await asks(server, "fier");
      expect(await answered(other)).toStartWith("ok");
      other.reset();
      expect([waiting.length, broadcaster.text]).toEqual([0, ""]);
      own.open();
      await broadcaster.sent();
      broadcaster.finish();
      const { status, stdout } = await waiting.outcome();
      expect([status, sha256(Buffer.from(stdout, "latin1"))]).toEqual([0, sha256(media)]);
      expect(await broadcaster.ended()).toBe("fin");
      expect(broadcaster.text).toEndWith("ok,bytes=3000000");
    });

    test("may let in for a while, with a bit rate, watchers and channels of its own", async () => {
      const brief = broadcast("brief");
      await brief.send("x");
      expect(await brief.outcome()).toMatchObject({
        status: 3,
        stderr: expect.stringContaining("expired") as never,
      });
      const elsewhere = server.broadcast({
        fserv_arg_user: "small",
        fserv_arg_user_password: "x",
        fserv_arg_channel: "other",
      });
      expect(await elsewhere.outcome()).toMatchObject({
        status: 3,
        stderr: expect.stringContaining("may not broadcast") as never,
      });
      const small = await asks(server, "small", noise(1000));
      expect(await answered(small)).toBe("ok");
      const first = server.watch({ fserv_arg_user: "small" });
      await until("it watches", () => first.length > 0);
      expect(await server.watch({ fserv_arg_user: "small" }).outcome()).toMatchObject({ status: 6 });
      small.send(noise(20_000));
      await until("it is dismissed", () => /limit(%20| )of(%20| )8(\.00)?(%20| )kbit/.test(small.text));
      await first.exit();
    });

    test("is not asked again about a token that it gave", async () => {
      const token = await server
        .call("token", { fserv_arg_user: "fier", fserv_arg_user_password: password })
        .outcome();
      expect(token.status).toBe(0);
      const before = own.asked().length;
      const run = server.broadcast({ fserv_arg_user_password: "", fserv_arg_token: token.stdout.trim() });
      await run.finish("hello");
      expect([await run.exit(), own.asked().length]).toEqual([0, before]);
      expect(own.asked().at(-1)?.action).toBe(own.name === "a service for MediaMTX" ? "publish" : "token");
    });
  });

  test(`${own.name} decides about watchers, over every way in`, async () => {
    const server = await own.start({ listeners, auth: "authenticate_watchers = true" });
    const broadcaster = await asks(server, "fier", noise(100_000));
    expect(await answered(broadcaster)).toBe("ok");
    const sending = setInterval(() => broadcaster.send(noise(1000)), 50);
    const trust = ["--fingerprint", server.fingerprint];
    const tls = `fstreams://127.0.0.1:${server.port("tls")}`;
    const right = { fserv_arg_watcher: "fier", fserv_arg_watcher_password: password };
    for (const [address, flags] of [
      [server.address, []],
      [tls, trust],
    ] as const) {
      expect(await raw(address, {}, ...flags).outcome()).toMatchObject({ status: 3, stdout: "" });
      const wrong = await raw(
        address,
        { ...right, fserv_arg_watcher_password: "wrong-secret" },
        ...flags,
      ).outcome();
      expect(wrong).toMatchObject({ status: 3, stdout: "" });
      expect(wrong.stderr).toContain("error: wrong user or password\nfstream: hint: check --watcher");
      const watcher = raw(address, right, ...flags);
      await until("it watches", () => watcher.length > 0);
      watcher.process.kill("SIGKILL");
    }

    for (const listener of ["tcp", "http", "https"] as const) {
      const url = `${listener === "https" ? "https" : "http"}://127.0.0.1:${server.port(listener)}/watch/fier?ticket=7`;
      const get = (headers: Record<string, string>) =>
        fetch(url, { headers, tls: { rejectUnauthorized: false } });
      const lines = server.run.stderr.split("refused").length;
      const asked = await get({});
      expect([asked.status, asked.headers.get("www-authenticate")?.slice(0, 5)]).toEqual([401, "Basic"]);
      expect(server.run.stderr.split("refused").length).toBe(lines);
      expect((await get(basic("wrong-secret"))).status).toBe(401);
      const watching = await get({ ...basic(password), "User-Agent": "VLC/3.0" });
      const reader = watching.body?.getReader();
      expect([watching.status, (await reader?.read())?.value?.length ?? 0]).toEqual([
        200,
        expect.any(Number) as never,
      ]);
      await reader?.cancel();
      expect(own.asked().at(-1)).toMatchObject({
        query: "ticket=7",
        userAgent: "VLC/3.0",
        protocol: listener === "https" ? "https" : "http",
      });
    }

    const path = `ws://127.0.0.1:${server.port("http")}/watch/fier/default`;
    const refused = await new SocketClient(path).begin({});
    expect(await refused.answer()).toMatchObject({ type: "error", code: "unauthorized" });
    const socket = await new SocketClient(path).begin({ watcher: "fier", watcher_password: password });
    expect(await socket.answer()).toMatchObject({ type: "ok" });
    await until("it watches", () => socket.length > 0);
    socket.socket.close();

    // What a decision says ends a watcher as well.
    const brief = raw(server.address, { fserv_arg_watcher: "brief" });
    const { status, stderr } = await brief.outcome();
    expect([status, brief.length > 0]).toEqual([5, true]);
    expect(stderr).toContain("expired");
    clearInterval(sending);
    await own.stop();
  });
}

test("a module is taken up anew on SIGHUP with what it imports; a broken one changes nothing", async () => {
  const server = await TestServer.start({
    files: {
      "auth.ts":
        'import { name } from "./name.ts";\nexport const authenticate = ({ user }) => user === name;',
      "name.ts": 'export const name = "ann";',
    },
    auth: module,
  });
  const reload = async (file: string, text: string) => {
    await Bun.write(join(server.folder, file), text);
    const before = server.run.stderr.length;
    server.run.process.kill("SIGHUP");
    return await until("it has reloaded", () => {
      const said = server.run.stderr.slice(before);
      return /tls: .*certificate.*\n/.test(said) && said;
    });
  };
  const who = async () => {
    const names = [];
    for (const user of ["ann", "bob", "eve"]) {
      const peer = await asks(server, user);
      if ((await answered(peer)) === "ok") names.push(user);
      peer.reset();
    }
    return names.join();
  };
  expect(await who()).toBe("ann");
  const live = await asks(server, "ann", "x", "live");
  await answered(live);
  await reload("name.ts", 'export const name = "bob";');
  expect(await who()).toBe("bob");
  expect(await reload("name.ts", "export const name = ;")).toMatch(
    /error: module .*auth.ts: Unexpected ; \(.*name.ts:1\): the previous one stays in use\n/,
  );
  expect(await who()).toBe("bob");
  await reload("name.ts", 'export const name = "eve";');
  await reload(
    "auth.ts",
    'import { name } from "./name.ts";\nexport const authenticate = ({ user }) => user !== name;',
  );
  expect(await who()).toBe("ann,bob");
  expect(live.end).toBe("open");
  await server.stop();
});

test("what a module prints is on stderr, and what it leaves open ends with the server", async () => {
  const server = await TestServer.start({
    files: {
      "auth.ts":
        "console.log('from the module'); setInterval(() => {}, 1000);\nexport const authenticate = () => true;",
    },
    auth: module,
  });
  await server.says(/from the module\n/);
  expect(server.run.length).toBe(0);
  expect(await server.stop()).toBe(0);
});

test("a server does not start with a module or a program that can't be used, and says what is wrong with it", async () => {
  expect(await problem('authenticator = "module"')).toContain("which needs module");
  expect(await problem(module)).toMatch(/error: module .*auth.ts: no such file\n/);
  expect(await problem(module, { "auth.ts": "export const x = 1;" })).toContain(
    "it does not export a function authenticate",
  );
  expect(await problem(module, { "auth.ts": "\nexport const x = ;" })).toMatch(
    /Unexpected ; \(.*auth.ts:2\)/,
  );
  expect(await problem('authenticator = "command"\ncommand = ["./none"]')).toMatch(
    /error: command .*none: no such program, or/,
  );
});

describe("fstream check", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await owns[0].start({ users: { "ann.toml": 'password = "x"\nmay_watch = ["fier/*"]\n' } });
  }, deadlineMs);
  afterAll(async () => await owns[0].stop(), deadlineMs);

  const check = async (words: string, stdin?: string) => {
    const run = new Run([
      "check",
      "--config",
      join(server.folder, "fstream.toml"),
      ...words.split(" ").filter(Boolean),
    ]);
    await run.finish(stdin ?? "");
    return await run.outcome();
  };

  test("examines what decides about logins, and says who that is", async () => {
    const { status, stderr } = await check("");
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(/logins are checked by the module .*auth.ts\n$/) as never,
    ]);
    expect(await check("--auth-module none.ts --config x")).toMatchObject({ status: 2 });
  });

  test("says what the answer to a login would be, and how long it took", async () => {
    const right = await check("--login fier", password);
    expect([right.status, right.stderr]).toEqual([
      0,
      expect.stringMatching(/fier may broadcast on every channel \(\d+ ms\)\n$/) as never,
    ]);
    const wrong = await check("--login fier", "wrong-secret");
    expect([wrong.status, wrong.stderr]).toEqual([
      3,
      expect.stringMatching(/fier was refused: wrong user or password \(\d+ ms\)\n/) as never,
    ]);
    const told = await check("--login untold", "x");
    expect(told.stderr).toContain("the reason (not shown to clients): owes money\n");
    const small = await check("--login small --channel other", "x");
    expect([small.status, small.stderr]).toEqual([
      3,
      expect.stringContaining("may not broadcast on channel other") as never,
    ]);
    const watch = await check("--login fier --watch zoe", password);
    expect(watch.stderr).toMatch(/fier may watch zoe\/default \(\d+ ms\)\n$/);
    expect(await check("--login never", "x")).toMatchObject({ status: 6 });
  });

  test("does the same with the users folder", async () => {
    const folder = join(server.folder, "users");
    writeFileSync(join(server.folder, "plain.toml"), `[fstream]\nusers_dir = ${JSON.stringify(folder)}\n`);
    const login = async (words: string, stdin: string) => {
      const run = new Run(["check", "--config", join(server.folder, "plain.toml"), ...words.split(" ")]);
      await run.finish(stdin);
      return await run.outcome();
    };
    expect((await login("--login ann", "x")).stderr).toContain("ann may broadcast on every channel");
    expect((await login("--login ann --watch fier", "x")).stderr).toContain("ann may watch fier/default");
    expect(await login("--login ann --watch zoe", "x")).toMatchObject({ status: 3 });
  });
});

test("the types of a module are those of the program", async () => {
  const { status, stdout } = await new Run(["auth", "types"]).outcome();
  const types = readFileSync(join(import.meta.dir, "../../src/auth/authtypes.ts"), "latin1");
  expect([status, stdout]).toEqual([0, types]);
  expect(await new Run(["auth", "type"]).outcome()).toMatchObject({ status: 2, stdout: "" });
});
