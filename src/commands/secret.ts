// Secrets from where they do not show: a file, a pipe, or a person at a terminal who types without seeing it.
// Never from the command line itself, which every process on the machine can read.

import { resolve } from "node:path";
import { FstreamError } from "../errors.ts";
import { readNamedFile } from "../file.ts";
import { printable } from "../log.ts";
import { readStdin, readStdinLine } from "../stdio.ts";

/** No secret is larger. Bytes. */
const maxSecretBytes = 64 * 1024;

/** The text of a secret file (`-`: all of stdin) without one trailing newline; rejects with `failed`. */
export async function readSecretFile(file: string, cwd: string): Promise<string> {
  const isStdin = file === "-";
  const bytes = isStdin ? await readStdin(maxSecretBytes) : await readFile(resolve(cwd, file), file);
  return decode(bytes, isStdin ? "standard input" : file).replace(/\r?\n$/, "");
}

/** The first line of stdin, where it is a pipe or a file; what follows it is left there. Rejects with `failed`. */
export async function readSecretLine(): Promise<string> {
  return decode(await readStdinLine(maxSecretBytes), "standard input").replace(/\r$/, "");
}

async function readFile(path: string, name: string): Promise<Uint8Array> {
  try {
    return await readNamedFile(path, maxSecretBytes);
  } catch (cause) {
    if (!(cause instanceof FstreamError)) throw cause;
    throw new FstreamError("failed", `can't read ${name}: ${cause.message}`, { cause });
  }
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FstreamError("failed", `${name} is not UTF-8 text`, { cause });
  }
}

/** Signals that end a process by default (signal(7)), where the runtime does not restore the terminal before. */
const endings: readonly NodeJS.Signals[] = [
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGXCPU",
  "SIGXFSZ",
];

/** Asks on the terminal that stdin is, once for each prompt, without showing what is typed. Ctrl-C ends the process. */
export async function askSecrets(prompts: readonly string[]): Promise<string[]> {
  const { stdin, stderr } = process;
  const typed = new TypedLines();
  const end = (signal: NodeJS.Signals) => {
    stdin.setRawMode(false);
    for (const each of endings) process.off(each, end);
    process.kill(process.pid, signal);
  };
  for (const signal of endings) process.on(signal, end);
  stdin.setRawMode(true);
  try {
    const answers: string[] = [];
    for (const prompt of prompts) {
      stderr.write(printable(prompt));
      const answer = await typed.line();
      if (answer === undefined) {
        stderr.write("\n");
        end("SIGINT"); // in raw mode the terminal does not send it
        throw noPassword(); // it is ignored here
      }
      answers.push(answer);
      stderr.write("\n");
    }
    return answers;
  } finally {
    stdin.setRawMode(false);
    for (const signal of endings) process.off(signal, end);
    typed.close();
  }
}

function noPassword(): FstreamError {
  return new FstreamError("failed", "no password given");
}

/** Lines from a terminal in raw mode: what its driver otherwise does to a line is done here. */
class TypedLines {
  readonly #decoder = new TextDecoder();
  readonly #onData = (bytes: Uint8Array) => this.#take(bytes);
  readonly #onEnd = () => this.#take(new Uint8Array([4]));
  #typed: string[] = []; // not yet looked at
  #wake: (() => void) | undefined;

  constructor() {
    process.stdin.on("data", this.#onData);
    process.stdin.on("end", this.#onEnd);
    process.stdin.resume();
  }

  close(): void {
    process.stdin.off("data", this.#onData);
    process.stdin.off("end", this.#onEnd);
    process.stdin.pause();
    process.stdin.unref();
  }

  #take(bytes: Uint8Array): void {
    this.#typed.push(...Array.from(this.#decoder.decode(bytes, { stream: true })));
    this.#wake?.();
  }

  /** The next line; undefined: Ctrl-C. Rejects with `failed` at the end of input. */
  async line(): Promise<string | undefined> {
    let line: string[] = [];
    for (;;) {
      const key = this.#typed.shift();
      if (key === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (key === "\r" || key === "\n") {
        return line.join("");
      } else if (key === "\x03") {
        return undefined;
      } else if (key === "\x04") {
        process.stderr.write("\n");
        throw noPassword();
      } else if (key === "\x7f" || key === "\b") {
        line.pop();
      } else if (key === "\x15") {
        line = []; // Ctrl-U
      } else {
        line.push(key);
      }
    }
  }
}
