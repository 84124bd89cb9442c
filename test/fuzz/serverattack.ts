// The real server while many peers attack it, with a stream beside whose every byte is compared. Run by `scripts/fuzz --server`, in a
// network of its own with many addresses, each a network to the server:
//
//   attackers (attacker.ts) --> 64 addresses: their limits hold
//   honest peers -------------> another one: what a new watcher waits for its first byte, and a broadcaster for its `ok`
//   a live stream ------------> loopback: watchers over TCP, TLS, HTTP and HTTPS
//
//   bun test/fuzz/serverattack.ts [--handshakes N] [--requests N] [--minutes M] [--only latency|flood] [--seed N] [--stalled N] [--guesses N]
//
// First honest peers are timed on the idle server, and while thousands of connections stall in their handshake and logins fail, 50 a second.
// Then comes the flood: a million handshakes and half as many requests over HTTP, or as many as fit into the time. A tenth of it comes
// first, so that what the server remembers anyway is there before its memory is looked at. Prints what was seen, and exits with 1 if
// the server ended, lost a byte of the stream, logged an internal error or a bug, or took more memory, descriptors or time than it may.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodeRequest } from "../../src/protocol/request.ts";
import { residentBytes } from "../bench/probe.ts";
import { folder, type Started, say, start, stop, until } from "../bench/process.ts";
import type { Ports, Progress, Task } from "./attacker.ts";
import { compare, hashed, pictureChannel, plain, timeHonest } from "./honest.ts";
import { broadcaster, LiveStream } from "./livestream.ts";
import type { Login } from "./requests.ts";

const { values } = parseArgs({
  options: {
    handshakes: { type: "string", default: "1000000" },
    requests: { type: "string", default: "500000" },
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    stalled: { type: "string", default: "2000" },
    guesses: { type: "string", default: "50" },
    only: { type: "string" },
  },
});
const binary = process.env.FSTREAM_BIN ?? "";
const [host, ...addresses] = (process.env.ATTACK_ADDRESSES ?? "").split(/\s+/);
const floodMs = Number(values.minutes) * 60_000;
const seed = Number(values.seed);

/** Processes of attackers. */
const processes = 2;
/** The share of the flood that comes first. */
const warmup = 0.1;
/** Memory that may be in use after the flood beyond what was before it, bytes: the garbage collector keeps some. */
const maxGrowthBytes = 64 * 2 ** 20;
/** What ends the last of the attackers' connections: handshake_timeout, hold, and the like. Milliseconds. */
const quietMs = 90_000;

const failures: string[] = [];
const logins: readonly Login[] = Array.from({ length: 32 }, (_, i) => ({ user: `ann${i}`, password: "abc" }));

interface Server {
  readonly process: Started;
  readonly ports: Ports;
  readonly said: () => string;
}

async function startServer(): Promise<Server> {
  const cwd = mkdtempSync(join(folder, "attack-"));
  mkdirSync(join(cwd, "users"));
  for (const { user, password } of [plain, broadcaster, ...logins])
    writeFileSync(join(cwd, "users", `${user}.toml`), `password = "${password}"\n`);
  const hash = await Bun.password.hash(hashed.password);
  writeFileSync(join(cwd, "users", `${hashed.user}.toml`), `password_hash = "${hash}"\n`);
  const stderr = join(cwd, "stderr");
  const listeners = ["listen", "tls-listen", "https-listen", "http-listen"].flatMap((name) => [
    `--${name}`,
    "0.0.0.0:0",
  ]);
  const process = start([binary, "serve", ...listeners, "--backlog", "1MiB", "--hold", "2s"], {
    cwd,
    stderr,
  });
  const said = () => (existsSync(stderr) ? readFileSync(stderr, "utf8") : "");
  await until("the server to be ready", 10_000, () => (said().includes("ready\n") ? true : undefined));
  const port = (name: string) => Number(new RegExp(`listening on ${name} \\S+:(\\d+)\n`).exec(said())?.[1]);
  return {
    process,
    said,
    ports: { tcp: port("tcp"), tls: port("tls"), https: port("https"), http: port("http") },
  };
}

const filesOf = ({ process }: Server) => readdirSync(`/proc/${process.pid}/fd`).length;

// Attackers.

interface Attackers {
  readonly started: Started;
  readonly state: Progress;
}

function attack(server: Server, task: Partial<Task> & Pick<Task, "kind">): Attackers {
  const whole: Task = {
    seed,
    addresses,
    ports: server.ports,
    logins,
    handshakes: 0,
    requests: 0,
    count: 0,
    users: [],
    ...task,
  };
  const peer = join(import.meta.dir, "attacker.ts");
  const started = start(["nice", "-n", "5", process.execPath, peer, JSON.stringify(whole)]);
  const state: Progress = { handshakes: 0, requests: 0, open: 0, refused: 0, answers: 0 };
  void follow(started, state);
  return { started, state };
}

async function follow({ stdout }: Started, state: Progress): Promise<void> {
  let text = "";
  for await (const bytes of stdout) {
    const lines = (text + Buffer.from(bytes).toString()).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) Object.assign(state, JSON.parse(line));
  }
}

async function end(attackers: readonly Attackers[]): Promise<void> {
  for (const { started } of attackers) await started.stdin.end();
  await Promise.all(attackers.map(({ started }) => started.exited));
}

async function latency(server: Server): Promise<void> {
  // A stream with a picture, for which nobody has to wait.
  const fixture = await Bun.file(join(import.meta.dir, "../fixtures/mpegts-h264-aac.mpegts")).bytes();
  const { user, password } = plain;
  const picture = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.ports.tcp,
    socket: { data() {}, error() {} },
  });
  const asked = encodeRequest(
    "broadcast",
    Object.entries({ user, user_password: password, channel: pictureChannel }),
  );
  picture.write(Buffer.concat([asked, fixture]));
  await Bun.sleep(1000);

  say("honest peers on the idle server");
  const at = { host, ports: server.ports, failures };
  await timeHonest(at); // warmed up
  const idle = await timeHonest(at);
  const [stalled, guesses] = [Number(values.stalled), Number(values.guesses)];
  say(
    `honest peers, while ${stalled} connections stop in their handshake and ${guesses} logins a second fail`,
  );
  const users = [plain.user, hashed.user, "nobody"];
  const attackers = [
    attack(server, { kind: "stall", count: stalled }),
    attack(server, { kind: "guess", count: guesses, users, seed: seed + 1 }),
  ];
  const open = () => attackers[0].state.open;
  await until("the attackers to be there", 30_000, () => (open() >= stalled * 0.95 ? true : undefined));
  // Longer than a handshake may last: by now they come and go.
  await Bun.sleep(12_000);
  const attacked = await timeHonest(at);
  console.log(
    `${open()} connections stall, ${attackers[1].state.handshakes} logins were tried, ${filesOf(server)} descriptors`,
  );
  await end(attackers);
  compare(idle, attacked, `${stalled} stall, ${guesses} logins/s fail`, failures);
  picture.end();
}

/** A share of all handshakes and requests. Gives whether there was time for all of it. */
async function flood(server: Server, share: number, fromSeed: number, untilMs: number): Promise<Progress> {
  const each = (count: string) => Math.ceil((Number(count) * share) / processes);
  const attackers = Array.from({ length: processes }, (_, index) =>
    attack(server, {
      kind: "flood",
      seed: fromSeed + index,
      handshakes: each(values.handshakes),
      requests: each(values.requests),
    }),
  );
  const sum = () =>
    attackers.reduce<Progress>(
      (total, { state }) => ({
        handshakes: total.handshakes + state.handshakes,
        requests: total.requests + state.requests,
        open: total.open + state.open,
        refused: total.refused + state.refused,
        answers: total.answers + state.answers,
      }),
      { handshakes: 0, requests: 0, open: 0, refused: 0, answers: 0 },
    );
  const over = Promise.all(attackers.map(({ started }) => started.exited));
  for (let saidMs = 0; performance.now() < untilMs; ) {
    const isOver = await Promise.race([over.then(() => true), Bun.sleep(500)]);
    if (isOver === true || server.process.exitCode !== null) break;
    if (performance.now() - saidMs < 30_000) continue;
    saidMs = performance.now();
    const { handshakes, requests, open } = sum();
    const [memory, files] = [residentBytes(server.process.pid) / 2 ** 20, filesOf(server)];
    say(
      `${handshakes} handshakes, ${requests} requests, ${open} open; server: ${memory.toFixed(0)} MiB, ${files} files`,
    );
  }
  await end(attackers);
  return sum();
}

/** Waits until no descriptor is left of what was, and the memory no longer shrinks. Gives its bytes. */
async function quiet(server: Server, files: number, when: string): Promise<number> {
  await until("descriptors to come back", quietMs, () => (filesOf(server) <= files ? true : undefined)).catch(
    () => {
      failures.push(`${when}: ${filesOf(server)} descriptors are still held, ${files} before`);
    },
  );
  let least = residentBytes(server.process.pid);
  for (let i = 0; i < 10; i++) {
    await Bun.sleep(2000);
    least = Math.min(least, residentBytes(server.process.pid));
  }
  console.log(
    `${when}: ${(least / 2 ** 20).toFixed(0)} MiB, ${filesOf(server)} descriptors (${files} before)`,
  );
  return least;
}

/** `files`: the descriptors of the server before it is attacked. */
async function floods(server: Server, files: number): Promise<void> {
  say("the flood begins");
  await flood(server, warmup, seed * 1000, performance.now() + floodMs * warmup);
  const before = await quiet(server, files, "after a tenth of the flood");
  const untilMs = performance.now() + floodMs;
  const { handshakes, requests, refused, answers } = await flood(server, 1, seed * 1000 + 500, untilMs);
  console.log(
    `${handshakes} handshakes, ${requests} requests over HTTP; ${refused} connections refused, ${answers} answers`,
  );
  const after = await quiet(server, files, "after the flood");
  if (after - before > maxGrowthBytes)
    failures.push(`memory has grown by ${((after - before) / 2 ** 20).toFixed(0)} MiB`);
}

const server = await startServer();
const stream = new LiveStream(server.ports, failures);
await stream.begin();
const idleFiles = filesOf(server);
if (values.only !== "flood") await latency(server);
if (values.only !== "latency") await floods(server, idleFiles);
await stream.end();
if (server.process.exitCode !== null) failures.push("the server has ended");
await stop(server.process);
if (server.process.exitCode !== 0) failures.push(`the server ended with ${server.process.exitCode}`);
const log = server.said();
const bug = log
  .split("\n")
  .find((line) => /a bug in fstream|\(internal\)|error: |\bat .*:\d+:\d+/.test(line));
if (bug !== undefined) failures.push(`the log has: ${bug}`);
console.log(`lines of the log: ${log.split("\n").length}`);
for (const failure of new Set(failures)) console.log(`FAILED: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);
