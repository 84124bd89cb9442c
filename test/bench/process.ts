// Processes that the benchmark starts: each on the CPU it is given, and all of them ended, by their ids, however the
// benchmark itself ends.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** CPUs that this process may run on: the first is the servers', the second the load's. With only one they share it. */
export const cpus = allowedCpus();
export const serverCpu = cpus[0];
export const loadCpu = cpus[1] ?? cpus[0];

/** A folder for this run's files; it goes with the process. */
export const folder = mkdtempSync(join(tmpdir(), "fstream-bench-"));

export type Started = Bun.Subprocess<"pipe", "pipe", "pipe" | "inherit" | "ignore" | Bun.BunFile>;

export interface StartOptions {
  /** Undefined: wherever the system likes. */
  readonly cpu?: number | undefined;
  readonly cwd?: string;
  /** Where stderr goes: a file's path; else it is the benchmark's own. */
  readonly stderr?: string;
}

const alive = new Set<Started>();

/** Starts a command with pipes for stdin and stdout. */
export function start(command: readonly string[], options: StartOptions = {}): Started {
  const pinned = options.cpu === undefined ? [] : ["taskset", "-c", String(options.cpu)];
  const started: Started = Bun.spawn([...pinned, ...command], {
    cwd: options.cwd ?? folder,
    stdin: "pipe",
    stdout: "pipe",
    stderr: options.stderr === undefined ? "inherit" : Bun.file(options.stderr),
  });
  alive.add(started);
  void started.exited.then(() => alive.delete(started));
  return started;
}

/** Ends a process: politely, and after two seconds not. */
export async function stop(process: Started): Promise<void> {
  process.kill("SIGTERM");
  const timer = setTimeout(() => process.kill("SIGKILL"), 2000);
  await process.exited;
  clearTimeout(timer);
}

/** The first line of a process's stdout. Throws if it ends before, and ends it if that takes longer than `ms`. */
export async function firstLine(process: Started, what: string, ms: number): Promise<string> {
  const reader = process.stdout.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const timer = setTimeout(() => process.kill("SIGKILL"), ms);
  try {
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`${what} failed, or took longer than ${ms / 1000} s`);
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    clearTimeout(timer);
    reader.releaseLock();
  }
  return text.slice(0, text.indexOf("\n"));
}

/** Looks every few milliseconds until `look` gives something; throws after `ms`. */
export async function until<T>(
  what: string,
  ms: number,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + ms;
  while (performance.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await Bun.sleep(2);
  }
  throw new Error(`waited ${ms} ms in vain: ${what}`);
}

/** Tells on stderr what is done, and when. */
export function say(words: string): void {
  process.stderr.write(`${(performance.now() / 1000).toFixed(0).padStart(5)} s  ${words}\n`);
}

function allowedCpus(): readonly number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

process.on("exit", () => {
  for (const started of alive) started.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(signal, () => process.exit(status));
}
