// 5,000 silent and 5,000 slow HTTPS connections from one address, while others get tokens and watch: what they notice of it, and
// whether the server's descriptors come back. Run by scripts/flood, in a network of its own:
//
//   attacker --> first address: its limit holds (max_connections_per_ip), or it is exempt as a trusted proxy
//   others ----> second address: a token twice a second, twenty watchers of a stream of 4 Mbit/s
//
// Prints a table, and exits 1 if others were refused, lost bytes, or waited too long, or if descriptors are still held.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Attacked, Others } from "./others.ts";
import { residentBytes } from "./probe.ts";
import { folder, type Started, say, start, stop, until } from "./process.ts";

const binary = process.env.FSTREAM_BIN ?? "";
const [attackedHost, host] = (process.env.FLOOD_ADDRESSES ?? "").split(" ");
const silent = 5000;
const slow = 5000;
const baselineMs = 5000;
const floodMs = 30_000;
/** handshake_timeout, the lingering of a close, and some more. Milliseconds. */
const recoveryMs = 20_000;
/** What others may wait for at the most, milliseconds. */
const longestMs = 5000;

interface Server extends Attacked {
  readonly process: Started;
  readonly stderr: string;
}

async function startServer(...flags: string[]): Promise<Server> {
  const cwd = mkdtempSync(join(folder, "flood-"));
  mkdirSync(join(cwd, "users"));
  writeFileSync(join(cwd, "users", "bench.toml"), 'password = "bench"\n');
  const stderr = join(cwd, "stderr");
  const listen = ["--listen", "0.0.0.0:0", "--https-listen", "0.0.0.0:0"];
  const process = start([binary, "serve", ...listen, ...flags], { cwd, stderr });
  const said = () => (existsSync(stderr) ? readFileSync(stderr, "utf8") : "");
  await until("the server to be ready", 10_000, () => (said().includes("ready\n") ? true : undefined));
  const port = (name: string) => Number(new RegExp(`listening on ${name} \\S+:(\\d+)\n`).exec(said())?.[1]);
  return { process, host, tcp: port("tcp"), https: port("https"), stderr };
}

function share(seconds: number): string {
  return `${Math.round((seconds * 100_000) / floodMs)} %`;
}

function row(what: string, was: string, is: string): void {
  console.log(`| ${what} | ${was} | ${is} |`);
}

const lines = ({ stderr }: Server) => readFileSync(stderr, "utf8").split("\n").length;
const filesOf = ({ process }: Server) => readdirSync(`/proc/${process.pid}/fd`).length;

/** Seconds for which the server's main thread ran, and for which it waited for a processor: schedstat of proc(5). */
function scheduled({ process }: Server): { readonly ran: number; readonly waited: number } {
  const text = readFileSync(`/proc/${process.pid}/task/${process.pid}/schedstat`, "utf8");
  const [ran, waited] = text.split(" ").map((ns) => Number(ns) / 1e9);
  return { ran, waited };
}

async function scenario(name: string, ...flags: string[]): Promise<readonly string[]> {
  say(name);
  const server = await startServer(...flags);
  const idleFiles = filesOf(server);
  const others = new Others(server);
  await others.begin();
  await Bun.sleep(baselineMs);
  const before = { tokens: others.tokens.take(), blocks: others.blocks.take(), files: filesOf(server) };

  const [since, sinceLines] = [scheduled(server), lines(server)];
  const flood = start([
    process.execPath,
    join(import.meta.dir, "floodpeer.ts"),
    attackedHost,
    `${server.https}`,
    `${silent}`,
    `${slow}`,
  ]);
  const state = { open: 0, ended: 0 };
  void follow(flood, state);
  let [mostFiles, mostOpen] = [0, 0];
  for (const endMs = performance.now() + floodMs; performance.now() < endMs; await Bun.sleep(250)) {
    mostFiles = Math.max(mostFiles, filesOf(server));
    mostOpen = Math.max(mostOpen, state.open);
  }
  const during = { tokens: others.tokens.take(), blocks: others.blocks.take() };
  const { ran, waited } = scheduled(server);
  const memory = residentBytes(server.process.pid);
  // They are left as they are: it is the server that has to end them.
  flood.kill("SIGSTOP");
  const sinceMs = performance.now();
  const back = await until("the descriptors to come back", recoveryMs, () => {
    const files = filesOf(server);
    return files <= before.files + 2 ? files : undefined;
  }).catch(() => undefined);
  const backMs = performance.now() - sinceMs;
  const held = filesOf(server);
  flood.kill("SIGKILL");
  await flood.exited;
  await others.end();
  const said = lines(server) - sinceLines;
  await stop(server.process);

  if (back === undefined) others.failures.push(`${held} descriptors are still held`);
  if (others.longestMs > longestMs)
    others.failures.push(`others waited for up to ${Math.round(others.longestMs)} ms`);
  console.log(`\n## ${name}\n`);
  row("", "before", "during");
  row("---", "---:", "---:");
  row("a token, ms (median / 99th percentile / most)", before.tokens, during.tokens);
  row("a watcher's delay, ms (the same)", before.blocks, during.blocks);
  row(`descriptors of the server (idle: ${idleFiles})`, `${before.files}`, `${mostFiles} at the most`);
  row(
    "open connections, as the attacker sees them",
    "",
    `${mostOpen} at the most; ${state.ended} were ended`,
  );
  row(
    "the server's thread ran, waited for a CPU",
    "",
    `${share(ran - since.ran)}, ${share(waited - since.waited)}`,
  );
  row("resident memory of the server, MB", "", `${Math.round(memory / 1e6)}`);
  row("lines of the log", "", `${said}`);
  row("descriptors back after, s", "", back === undefined ? "not at all" : (backMs / 1000).toFixed(1));
  row("tokens asked for; failures", `${others.asked}`, `${others.failures.length}`);
  return [...new Set(others.failures)].map((failure) => `${name}: ${failure}`);
}

/** Keeps `state` at what the attacker says. */
async function follow(flood: Started, state: { open: number; ended: number }): Promise<void> {
  for await (const bytes of flood.stdout) {
    const last = Buffer.from(bytes).toString().trimEnd().split("\n").at(-1) ?? "";
    if (last.endsWith("}") && last.startsWith("{")) Object.assign(state, JSON.parse(last));
  }
}

console.log(`${silent} silent and ${slow} slow HTTPS connections from one address, for ${floodMs / 1000} s`);
const failures = [
  ...(await scenario("An address with its limit (max_connections_per_ip = 256)")),
  ...(await scenario("An address without a limit (a trusted proxy's)", "--trusted-proxies", attackedHost)),
];
for (const failure of failures) console.log(`FAILED: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);
