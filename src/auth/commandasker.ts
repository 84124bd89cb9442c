// The authenticator "command": a program of the operator's, run for each request, without a shell. The request is JSON on its
// standard input. It allows by exit status 0; a decision as JSON on its standard output says more. What it writes to
// standard error goes to the log.
//
// It is the first of a process group of its own (on Windows, of a tree of processes): one that takes too long is killed with all that it has started. What it leaves
// running after its end may hold its output open, and is not waited for.

import type { Subprocess } from "bun";
import { FstreamError, systemReason } from "../errors.ts";
import type { Log } from "../log.ts";
import type { AuthRequest } from "./authtypes.ts";
import { type Asker, Unanswered, withoutSecrets } from "./outsideauthenticator.ts";
import { Spaced } from "./spaced.ts";

/** What it may write, bytes. */
const maxOutputBytes = 64 * 1024;
const maxErrorBytes = 4096;
/** What it wrote is there this long after its end, milliseconds. */
const outputMs = 200;
/** What is wrong with the command itself: it will not be better later. */
const lasting = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ENOEXEC", "E2BIG", "EINVAL"]);

export class CommandAsker implements Asker {
  readonly #command: readonly string[];
  readonly #log: Log;
  readonly #starts = new Spaced();

  /** `command`: the program and its arguments. Throws FstreamError `failed` if there is no such program. */
  constructor(command: readonly string[], log: Log) {
    if (Bun.which(command[0]) === null)
      throw new FstreamError("failed", `command ${command[0]}: no such program, or it is not executable`);
    this.#command = command;
    this.#log = log;
  }

  async ask(request: AuthRequest, signal: AbortSignal): Promise<unknown> {
    const child = await this.#starts.run(() => {
      if (signal.aborted) throw new Unanswered("timed out waiting for a free slot", true);
      return this.#spawn();
    });
    void give(child.stdin, `${JSON.stringify(request)}\n`);
    let isOver = false;
    const stop = () => {
      if (!isOver) killAll(child);
      output.close();
      errors.close();
    };
    const output = gather(child.stdout, maxOutputBytes, () => stop());
    const errors = gather(child.stderr, maxErrorBytes, () => {});
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    await child.exited;
    isOver = true;
    await Promise.race([Promise.all([output.ended, errors.ended]), Bun.sleep(outputMs)]);
    signal.removeEventListener("abort", stop);
    stop();
    for (const line of errors.text.split("\n")) if (line !== "") this.#quote(withoutSecrets(line, request));
    if (output.isOver) throw new Unanswered(`the command wrote more than ${maxOutputBytes} bytes`, false);
    if (child.signalCode !== null)
      throw new Unanswered(`the command was killed by ${child.signalCode}`, true);
    return decisionOf(child.exitCode ?? 1, output.text.trim());
  }

  #quote(line: string): void {
    this.#log.repeated(`command ${line}`, `${this.#command[0]}: ${line}`);
  }

  #spawn() {
    try {
      const pipes = { stdin: "pipe", stdout: "pipe", stderr: "pipe" } as const;
      // Left out, it would be as it was when this process began, with what is meant for this process alone.
      return Bun.spawn([...this.#command], { ...pipes, detached: true, env: process.env });
    } catch (error) {
      const reason = systemReason(error) ?? (error as Error).message;
      const isTemporary = !lasting.has((error as NodeJS.ErrnoException).code ?? "");
      throw new Unanswered(`the command can't be run: ${this.#command[0]}: ${reason}`, isTemporary);
    }
  }
}

/** Bytes as `stdin` would be in a memfd, which stays open until the garbage is collected. */
async function give(stdin: Bun.FileSink, input: string): Promise<void> {
  try {
    await stdin.write(input);
    await stdin.end();
  } catch {
    // It need not read them.
  }
}

/** Kills a program that runs, with all that it has started. */
function killAll(leader: Subprocess): void {
  try {
    if (process.platform === "win32") {
      // It has no groups; what a process has started is known only while that runs.
      const kill = ["taskkill", "/t", "/f", "/pid", String(leader.pid)];
      const none = { stdin: "ignore", stdout: "ignore", stderr: "ignore", windowsHide: true } as const;
      void Bun.spawn(kill, none).exited.then(() => leader.kill());
    } else process.kill(-leader.pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

/** What the exit status and the output say together: never more than the status. */
function decisionOf(status: number, output: string): unknown {
  const refused = { allow: false, reason: `exit status ${status}` };
  if (output === "") return status === 0 ? true : refused;
  let said: unknown;
  try {
    said = JSON.parse(output);
  } catch {
    if (status === 0) throw new Unanswered("the command's output is not JSON", false);
    return refused;
  }
  if (status === 0) return said;
  const isRefusal = typeof said === "object" && said !== null && Reflect.get(said, "allow") === false;
  return isRefusal ? said : refused;
}

interface Output {
  text: string;
  /** Whether there was more. */
  isOver: boolean;
  /** Resolves once nothing more can come. */
  readonly ended: Promise<void>;
  close(): void;
}

/** What comes from a pipe, as text, up to so many bytes; the rest is dropped. */
function gather(stream: ReadableStream<Uint8Array>, maxBytes: number, whenOver: () => void): Output {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const output = { text: "", isOver: false, ended, close: () => void reader.cancel() };
  const read = async () => {
    let leftBytes = maxBytes;
    for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read()) {
      output.text += decoder.decode(value.subarray(0, leftBytes), { stream: true });
      if (value.length > leftBytes && !output.isOver) {
        output.isOver = true;
        whenOver();
      }
      leftBytes = Math.max(0, leftBytes - value.length);
    }
  };
  void read().then(resolve, resolve);
  return output;
}
