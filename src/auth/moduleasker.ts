// The authenticator "module": a TypeScript or JavaScript file of the operator's, which exports `authenticate` (authtypes.ts). It
// runs in a thread of its own (modulethread.ts), so that whatever it does, ending the process or never coming back included,
// happens to that thread: the server goes on, and the module starts anew with the next request. A reload starts a second thread,
// which takes over once the module is loaded; with it the files that the module imports are read anew too.

import { FstreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { AuthRequest } from "./authtypes.ts";
import { ModuleThread } from "./modulethread.ts";
import { type Asker, Unanswered } from "./outsideauthenticator.ts";

/** It is started again no sooner than so long after it was started before, milliseconds. */
const restartMs = 250;

export interface ModuleOptions {
  /** Of its file, absolute. */
  readonly path: string;
  readonly log: Log;
  /** How long it may answer nothing at all, milliseconds: then it stopped responding. */
  readonly timeoutMs: number;
}

export class ModuleAsker implements Asker {
  readonly #options: ModuleOptions;
  #thread: ModuleThread;
  #startedMs = performance.now();
  #stopped = false;

  private constructor(options: ModuleOptions, thread: ModuleThread) {
    this.#options = options;
    this.#thread = thread;
  }

  /** Loads the module. Rejects with FstreamError `failed` if it can't be used. */
  static async load(options: ModuleOptions): Promise<ModuleAsker> {
    return new ModuleAsker(options, await loaded(options));
  }

  /** What a thread that ends has not answered may be another request's fault: it is asked once more. */
  async ask(request: AuthRequest, signal: AbortSignal): Promise<unknown> {
    const { path } = this.#options;
    for (let times = 0; times < 2 && !signal.aborted; times++) {
      const thread = await this.#running(signal);
      const answer = await thread?.ask(request, signal);
      if (answer?.type === "thrown") throw new Unanswered(`${path} threw ${answer.message}`, false);
      if (answer !== undefined) return answer.value;
    }
    throw new Unanswered(`${path} exited before it answered`, true);
  }

  async reload(): Promise<void> {
    const thread = await loaded(this.#options);
    this.#thread.retire();
    this.#thread = thread;
    this.#options.log.info(`module ${this.#options.path}: reloaded`);
    if (this.#stopped) thread.end();
  }

  stop(): void {
    this.#stopped = true;
    this.#thread.end();
  }

  /** The thread, started anew where it has ended. Undefined: there is none, or not in time. */
  async #running(signal: AbortSignal): Promise<ModuleThread | undefined> {
    const { path } = this.#options;
    if (this.#thread.isOver) {
      await Bun.sleep(Math.max(0, this.#startedMs + restartMs - performance.now()));
      if (this.#stopped || signal.aborted) return undefined;
    }
    // Another request may have done it meanwhile.
    if (this.#thread.isOver) {
      this.#startedMs = performance.now();
      this.#thread = new ModuleThread(this.#options);
    }
    const thread = this.#thread;
    await thread.loaded.catch((error: Error) => {
      throw new Unanswered(`${path}: ${error.message}`, true);
    });
    return thread;
  }
}

async function loaded(options: ModuleOptions): Promise<ModuleThread> {
  const { path } = options;
  const thread = new ModuleThread(options);
  try {
    await thread.loaded;
    return thread;
  } catch (error) {
    thread.end();
    const { message } = error as Error;
    const hint = "`fstream auth types` prints the type of what it should export";
    const next = message.startsWith("it does not export") ? { hint } : {};
    throw new FstreamError("failed", `module ${path}: ${message}`, next);
  }
}
