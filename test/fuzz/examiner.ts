// Has cases examined in a process of its own: one that does not return, or takes all memory, is ended and reported, and
// another process takes its place.

import { readFileSync } from "node:fs";
import type { Batch } from "./batch.ts";
import type { Case } from "./cases.ts";
import type { Finding, Kind, Verdict } from "./examine.ts";
import type { Job } from "./worker.ts";

/** A case that takes longer of its process's time is given up; so is one that takes longer, at work or not. */
const maxProcessorMs = 10_000;
const longestMs = 90_000;
/** So is a process that takes more memory. Bytes. */
const maxResidentBytes = 1.2e9;

export class Examiner {
  readonly #slack: number;
  #process: Bun.Subprocess | undefined;
  #answer: (verdict: Verdict) => void = () => {};

  /** Bounds on time are `slack` times as wide. */
  constructor(slack: number) {
    this.#slack = slack;
  }

  async examine(given: Case, ignored: readonly Kind[] = []): Promise<Verdict> {
    return await this.#ask({ given, slack: this.#slack, ignored });
  }

  /** The seeds of a batch that are to be examined: those that look wrong, or all if it did not come to its end. */
  async suspects(batch: Batch): Promise<readonly number[]> {
    const { suspects } = await this.#ask(batch);
    return suspects ?? Array.from({ length: batch.count }, (_, i) => batch.seed + i);
  }

  async #ask(job: Job | Batch): Promise<Verdict> {
    const worker = (this.#process ??= this.#start());
    const began = performance.now();
    const beganCpu = processorMs(worker.pid);
    return await new Promise<Verdict>((resolve) => {
      const timer = setInterval(() => {
        const isHuge = residentBytes(worker.pid) > maxResidentBytes;
        const isLate =
          performance.now() - began > longestMs || processorMs(worker.pid) - beganCpu > maxProcessorMs;
        if (!isHuge && !isLate) return;
        this.stop();
        this.#answer(givenUp(isHuge, worker.exitCode));
      }, 50);
      this.#answer = (verdict) => {
        clearInterval(timer);
        this.#answer = () => {};
        resolve(verdict);
      };
      worker.send(job);
    });
  }

  stop(): void {
    this.#process?.kill("SIGKILL");
    this.#process = undefined;
  }

  #start(): Bun.Subprocess {
    const worker = Bun.spawn([process.execPath, `${import.meta.dir}/worker.ts`], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (verdict: Verdict) => this.#answer(verdict),
      onExit: (_process, code) => {
        if (this.#process !== worker) return;
        this.#process = undefined;
        this.#answer(givenUp(false, code));
      },
    });
    return worker;
  }
}

function givenUp(isHuge: boolean, code: number | null): Verdict {
  const finding: Finding = isHuge
    ? {
        kind: "peak",
        text: `the process takes more than ${maxResidentBytes / 1e6} MB`,
        value: maxResidentBytes,
        bound: 200e6,
      }
    : {
        kind: "hang",
        text:
          code === null ? `no answer within ${maxProcessorMs / 1000} s` : `the process ended with ${code}`,
        value: maxProcessorMs,
        bound: 20,
      };
  return { findings: [finding], container: "", bytes: 0, ms: maxProcessorMs };
}

/** Milliseconds of processor time that a process has had, where that can be read. */
function processorMs(pid: number): number {
  try {
    // utime and stime, in hundredths of a second, behind a name that may have spaces
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}

/** What a process has of the machine's memory, where that can be read. */
function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
  } catch {
    return 0;
  }
}
