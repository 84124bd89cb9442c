// The protocol's decoders with damaged handshakes and replies, and WebSockets, seed after seed: the tests of those, run again and
// again.

import { join } from "node:path";

const root = join(import.meta.dir, "../..");
const tests = ["test/protocol/fuzz.test.ts", "test/http/fuzz.test.ts"];
/** For one of its tests, on a busy machine. */
const timeoutMs = 60_000;
/** Seeds are further apart than a run uses. */
const seedStep = 1000;

/** Runs it until time is used up. Gives the seeds with which it failed, what it said being on stderr. */
export async function searchHandshakes(
  seed: number,
  seconds: number,
  report: (line: string) => void,
): Promise<number[]> {
  const untilMs = performance.now() + seconds * 1000;
  const found: number[] = [];
  let runs = 0;
  for (; performance.now() < untilMs; runs++) {
    const given = (seed + runs) * seedStep;
    const run = Bun.spawn([process.execPath, "test", `--timeout=${timeoutMs}`, ...tests], {
      cwd: root,
      env: { ...process.env, FSTREAM_FUZZ_SEED: String(given) },
      stdout: "ignore",
      stderr: "pipe",
    });
    const [code, text] = await Promise.all([run.exited, run.stderr.text()]);
    if (code === 0) continue;
    found.push(given);
    report(`FOUND handshakes: FSTREAM_FUZZ_SEED=${given}\n${text}`);
  }
  report(`${runs} times some thousand damaged handshakes, replies and frames: ${found.length} found`);
  return found;
}
