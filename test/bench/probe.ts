// What a server takes of the machine's memory, as the kernel tells it.

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

/** Resident memory of a process, bytes: proc(5), VmRSS. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
}

/**
 * Memory that the kernel holds for a server's established connections on a port, bytes: ss(8), skmem, of each socket what is
 * received, queued to be sent, reserved, and waiting in its backlog.
 */
export function socketBytes(port: number): number {
  const ss = Bun.spawnSync(["ss", "-tmnHO", "state", "established", `( sport = :${port} )`]);
  let bytes = 0;
  for (const [, r, f, w, o, bl] of ss.stdout
    .toString()
    .matchAll(/skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),o(\d+),bl(\d+)/g)) {
    bytes += Number(r) + Number(f) + Number(w) + Number(o) + Number(bl);
  }
  return bytes;
}

/** The machine, in a line. */
export function machine(): string {
  const [first] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} CPUs (${first?.model.trim() ?? "unknown"}), ${gigabytes} GiB, Linux ${release()}`;
}

/** How many files a process started here may open. */
export function openFileLimit(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? 0);
}
