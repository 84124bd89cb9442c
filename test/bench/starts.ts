// How long the binary takes to start: until `--version` has ended, and until `serve` takes a connection.

import { startPeer } from "./peers.ts";
import { start } from "./process.ts";
import { addFigure, type Results } from "./results.ts";
import type { Tools } from "./running.ts";

export const versionName = "start: --version, ms";
export const serveName = "start: until serve listens, ms";

/** One time is a matter of luck. */
const times = 15;

export async function starts(tools: Tools, results: Results): Promise<void> {
  for (let i = 0; i < times; i++) {
    const fromMs = performance.now();
    await start([tools.fstream, "--version"]).exited;
    addFigure(results, versionName, "fstream", performance.now() - fromMs);
  }
  for (let i = 0; i < times; i++) {
    const fromMs = performance.now();
    const server = await startPeer("fstream", tools);
    addFigure(results, serveName, "fstream", performance.now() - fromMs);
    await server.stop();
  }
}
