// Has cases examined in a process of its own, so that one that never comes back, or takes all memory, is found out and not
// suffered: the process is ended, and another one takes its place.

import { readFileSync } from "node:fs";
import type { Case } from "./cases.ts";
import type { Finding, Verdict } from "./examine.ts";

/** A case that takes longer is given up. */
const patienceMs = 20_000;
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

  async examine(given: Case): Promise<Verdict> {
    const judge = (this.#process ??= this.#start());
    const began = performance.now();
    return await new Promise<Verdict>((resolve) => {
      const timer = setInterval(() => {
        const isHuge = residentBytes(judge.pid) > maxResidentBytes;
        if (!isHuge && performance.now() - began < patienceMs) return;
        this.stop();
        this.#answer(given_up(isHuge, judge.exitCode));
      }, 50);
      this.#answer = (verdict) => {
        clearInterval(timer);
        this.#answer = () => {};
        resolve(verdict);
      };
      judge.send({ given, slack: this.#slack });
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
        this.#answer(given_up(false, code));
      },
    });
    return judge;
  }
}

function given_up(isHuge: boolean, code: number | null): Verdict {
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

/** What a process has of the machine's memory, where that can be read. */
function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
  } catch {
    return 0;
  }
}
