// What this process takes of its system, for the metrics.

import { readdir } from "node:fs/promises";
import type { ProcessFigures } from "../http/metrics.ts";
import { openFileLimit } from "./libc.ts";

export async function processFigures(): Promise<ProcessFigures> {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    startedSeconds: performance.timeOrigin / 1000,
    openFiles: await openFiles(),
    maxFiles: openFileLimit(),
  };
}

/** On Linux, by proc_pid_fd(5). */
async function openFiles(): Promise<number | undefined> {
  return await readdir("/proc/self/fd").then(
    ({ length }) => length - 1, // the folder itself was one
    () => undefined, // no /proc here, or no file more can be opened
  );
}
