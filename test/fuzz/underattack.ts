// An ordinary stream during each attack, through the real server: that its watcher gets every byte, how long it ever
// waits for the next ones, and what memory the server takes.
//
//   bun test/fuzz/underattack.ts [NAME...]
//
// Prints a line for each attack; exits with 1 if a byte was lost, or if more was waited or taken than is allowed.

import { Peer, TestServer, until } from "../e2e/program.ts";
import { attacks, streamOf } from "./attacks.ts";

/** The ordinary stream: a piece each so many milliseconds, 4 Mbit/s. */
const pieceBytes = 5000;
const stepMs = 10;
const maxGapMs = 200;
const maxGrowthBytes = 200 * 1024 * 1024;
/** How often the attack comes, and how many watch it each time. */
const rounds = 3;
const watchers = 20;

/** The ordinary broadcaster and its watcher. */
class Ordinary {
  #sent = 0;
  #seen = 0;
  #lastMs = 0;
  gapMs = 0;
  isWhole = true;
  readonly #timer;

  constructor(broadcaster: Peer, watcher: Peer) {
    this.#lastMs = performance.now();
    this.#timer = setInterval(() => {
      broadcaster.send(piece(this.#sent++));
      this.#look(watcher);
    }, stepMs);
  }

  #look(watcher: Peer): void {
    const nowMs = performance.now();
    if (watcher.length === this.#seen) return;
    this.#seen = watcher.length;
    this.gapMs = Math.max(this.gapMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  /** Compares all that came with what was sent. */
  async end(watcher: Peer): Promise<void> {
    clearInterval(this.#timer);
    const sent = Buffer.concat(Array.from({ length: this.#sent }, (_, i) => piece(i)));
    const came = await watcher.received(sent.length);
    this.isWhole = Buffer.compare(came, sent) === 0;
  }
}

function piece(index: number): Uint8Array {
  return new Uint8Array(pieceBytes).fill(index % 251);
}

async function attack(server: TestServer, stream: Uint8Array, round: number): Promise<void> {
  const channel = `attack${round}`;
  const peers = await Promise.all(Array.from({ length: watchers }, () => server.dial()));
  for (const peer of peers.slice(watchers / 2)) peer.request(`watch,user=ann,channel=${channel},wait=60`);
  const broadcaster = await server.dial();
  broadcaster.request(`broadcast,user=ann,user_password=abc,channel=${channel},reply=1`, "\n\n", stream);
  for (const peer of peers.slice(0, watchers / 2)) peer.request(`watch,user=ann,channel=${channel},wait=60`);
  await Bun.sleep(500);
  broadcaster.finish();
  await until("the attack is over", () => broadcaster.end !== "open");
  for (const peer of peers) peer.reset();
}

let isClean = true;
for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(attacks)) {
  const stream = streamOf(name);
  const server = await TestServer.start();
  const watcher = await server.dial();
  watcher.request("watch,user=fier,wait=60");
  const broadcaster = await server.dial();
  broadcaster.request("broadcast,user=fier,user_password=123,bufsize=0");
  const ordinary = new Ordinary(broadcaster, watcher);
  await Bun.sleep(1000);
  const before = await server.memory();
  ordinary.gapMs = 0;
  let most = before;
  const sample = setInterval(() => void server.memory().then((bytes) => (most = Math.max(most, bytes))), 20);
  for (let round = 0; round < rounds; round++) await attack(server, stream, round);
  clearInterval(sample);
  const { gapMs } = ordinary;
  await ordinary.end(watcher);
  const grown = most - before;
  await server.stop();
  const isFine = ordinary.isWhole && gapMs <= maxGapMs && grown <= maxGrowthBytes;
  isClean &&= isFine;
  console.log(
    `${isFine ? "ok  " : "FAIL"} ${name}: ${(stream.length / 1000).toFixed(0)} kB, gap ${gapMs.toFixed(0)} ms, ` +
      `+${(grown / 2 ** 20).toFixed(0)} MiB${ordinary.isWhole ? "" : ", bytes lost"}`,
  );
}
process.exitCode = isClean ? 0 : 1;
