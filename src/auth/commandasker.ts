// The authenticator "command": a program of the operator's, run for each request, without a shell. The request is JSON on its
// standard input. It allows by exit status 0; a decision as JSON on its standard output says more. What it writes to
// standard error goes to the log.

import { systemReason } from "../errors.ts";
import type { Log } from "../log.ts";
import type { AuthRequest } from "./authtypes.ts";
import { type Asker, Unanswered } from "./outsideauthenticator.ts";

/** What it may write, bytes. */
const maxOutputBytes = 64 * 1024;
const maxErrorBytes = 4096;

export class CommandAsker implements Asker {
  readonly #command: readonly string[];
  readonly #log: Log;

  /** `command`: the program and its arguments. */
  constructor(command: readonly string[], log: Log) {
    this.#command = command;
    this.#log = log;
  }

  async ask(request: AuthRequest, signal: AbortSignal): Promise<unknown> {
    const input = new TextEncoder().encode(`${JSON.stringify(request)}\n`);
    const child = this.#spawn(input, signal);
    const [output, errors] = await Promise.all([
      read(child.stdout, maxOutputBytes, () => child.kill("SIGKILL")),
      read(child.stderr, maxErrorBytes, () => {}),
      child.exited,
    ]);
    for (const line of errors.text.split("\n"))
      if (line !== "") this.#log.repeated("command", `${this.#command[0]}: ${line}`);
    if (output.isOver) throw new Unanswered(`the command wrote more than ${maxOutputBytes} bytes`, false);
    if (child.signalCode !== null)
      throw new Unanswered(`the command was ended by ${child.signalCode}`, false);
    return decisionOf(child.exitCode ?? 1, output.text.trim());
  }

  #spawn(stdin: Uint8Array, signal: AbortSignal) {
    try {
      return Bun.spawn([...this.#command], {
        stdin,
        stdout: "pipe",
        stderr: "pipe",
        signal,
        killSignal: "SIGKILL",
      });
    } catch (error) {
      const reason = systemReason(error) ?? (error as Error).message;
      throw new Unanswered(`the command can't be run: ${this.#command[0]}: ${reason}`, false);
    }
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

/** The text of a stream up to so many bytes; calls `over` if there is more, which is dropped. */
async function read(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  over: () => void,
): Promise<{ readonly text: string; readonly isOver: boolean }> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of stream) {
    if (bytes < maxBytes) text += decoder.decode(piece.subarray(0, maxBytes - bytes), { stream: true });
    if (bytes <= maxBytes && bytes + piece.length > maxBytes) over();
    bytes += piece.length;
  }
  return { text: text + decoder.decode(), isOver: bytes > maxBytes };
}
