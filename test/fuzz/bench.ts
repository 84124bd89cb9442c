// Has cases examined in a process of its own, so that one that never comes back, or takes all memory, is found out and not
// suffered: the process is ended, and another one takes its place.

import { readFileSync } from "node:fs";
import type { Case } from "./cases.ts";
import type { Finding, Kind, Verdict } from "./examine.ts";

/** A case that takes longer of its process's time is given up; so is one that takes longer, at work or not. */
const patienceMs = 10_000;
const longestMs = 90_000;
/** So is a process that takes more memory. Bytes. */
const maxResidentBytes = 1.2e9;

export class Bench {
  readonly #slack: number;
  #process: Bun.Subprocess | undefined;
  #answer: (verdict: Verdict) => void = () => {};

  /** Bounds on time are `slack` times as wide. */
  constructor(slack: number) {
    this.#slack = slack;
  }

  async examine(given: Case, ignored: readonly Kind[] = []): Promise<Verdict> {
    const judge = (this.#process ??= this.#start());
    const began = performance.now();
    const beganCpu = processorMs(judge.pid);
    return await new Promise<Verdict>((resolve) => {
      const timer = setInterval(() => {
        const isHuge = residentBytes(judge.pid) > maxResidentBytes;
        const isLate =
          performance.now() - began > longestMs || processorMs(judge.pid) - beganCpu > patienceMs;
        if (!isHuge && !isLate) return;
        this.stop();
        this.#answer(givenUp(isHuge, judge.exitCode));
      }, 50);
      this.#answer = (verdict) => {
        clearInterval(timer);
        this.#answer = () => {};
        resolve(verdict);
      };
      judge.send({ given, slack: this.#slack, ignored });
    });
  }

  stop(): void {
    this.#process?.kill("SIGKILL");
    this.#process = undefined;
  }

  #start(): Bun.Subprocess {
    const judge = Bun.spawn([process.execPath, `${import.meta.dir}/judge.ts`], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (verdict: Verdict) => this.#answer(verdict),
      onExit: (_process, code) => {
        if (this.#process !== judge) return;
        this.#process = undefined;
        this.#answer(givenUp(false, code));
      },
    });
    return judge;
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
        text: code === null ? `no answer within ${patienceMs / 1000} s` : `the process ended with ${code}`,
        value: patienceMs,
        bound: 20,
      };
  return { findings: [finding], container: "", bytes: 0, ms: patienceMs };
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
