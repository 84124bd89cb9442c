// The processor time of this thread: what other threads and other processes do does not advance it.

import { dlopen, ptr } from "bun:ffi";

/** CLOCK_THREAD_CPUTIME_ID of clock_gettime(2). */
const threadClock = 3;

/** Reads the clock to the nanosecond. Undefined where there is no glibc. */
function precise(): (() => number) | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const { symbols } = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
    const time = new BigInt64Array(2);
    const at = ptr(time);
    return () => {
      symbols.clock_gettime(threadClock, at);
      return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
    };
  } catch {
    return undefined;
  }
}

/** The same to a tick of the kernel's, a few milliseconds. */
function coarse(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Milliseconds of processor time that this thread has had. */
export const threadMs: () => number = precise() ?? coarse;
