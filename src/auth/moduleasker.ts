// The authenticator "module": a TypeScript or JavaScript file of the operator's, which exports `authenticate` (authtypes.ts). It
// runs in a thread of its own, so that whatever it does, ending the process or never coming back included, happens to that
// thread: the server goes on, what was asked is refused, and the next request starts the module anew. A reload starts a second
// one, which takes over once it is loaded; with it the files that the module imports are read anew too.

import { FstreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { AuthRequest } from "./authtypes.ts";
import type { FromWorker, ToWorker } from "./moduleworker.ts";
import { type Asker, Unanswered } from "./outsideauthenticator.ts";

/** How long a module may take to load, milliseconds: it may have to wait for a database. */
const loadTimeoutMs = 10_000;
/** A module that answers nothing at all for so long has come to a stop, milliseconds. */
const pingTimeoutMs = 2000;
/** It is started again no sooner than so long after it was started before, milliseconds. */
const restartMs = 1000;
/** One that was replaced may take so long for what it was asked before, milliseconds. */
const retiredMs = 30_000;
/** Requests that it may leave unanswered. */
const maxUnanswered = 1000;

export class ModuleAsker implements Asker {
  readonly #path: string;
  readonly #log: Log;
  #thread: ModuleThread;
  #startedMs: number;
  #stopped = false;

  private constructor(path: string, log: Log, thread: ModuleThread) {
    this.#path = path;
    this.#log = log;
    this.#thread = thread;
    this.#startedMs = performance.now();
  }

  /** Loads the file at the absolute `path`. Rejects with FstreamError `failed` if it can't be used. */
  static async load(path: string, log: Log): Promise<ModuleAsker> {
    return new ModuleAsker(path, log, await loaded(path, log));
  }

  async ask(request: AuthRequest, signal: AbortSignal): Promise<unknown> {
    if (this.#thread.isOver) this.#restart();
    return await this.#thread.ask(request, signal);
  }

  async reload(): Promise<void> {
    const thread = await loaded(this.#path, this.#log);
    this.#thread.retire();
    this.#thread = thread;
    if (this.#stopped) thread.retire();
  }

  stop(): void {
    this.#stopped = true;
    this.#thread.retire();
  }

  #restart(): void {
    const nowMs = performance.now();
    if (this.#stopped || nowMs - this.#startedMs < restartMs)
      throw new Unanswered(`${this.#path} has ended`, true);
    this.#startedMs = nowMs;
    this.#thread = new ModuleThread(this.#path, this.#log);
  }
}

async function loaded(path: string, log: Log): Promise<ModuleThread> {
  const thread = new ModuleThread(path, log);
  try {
    await thread.loaded;
  } catch (error) {
    thread.end();
    throw new FstreamError("failed", `module ${path}: ${(error as Error).message}`, {
      hint: "it should export a function authenticate; `fstream auth types` prints its types",
    });
  }
  return thread;
}

type Answered = (message: FromWorker | undefined) => void;

/** A module that is loaded, or about to be. Until then what is asked waits for it. */
class ModuleThread {
  /** Rejects if the module can't be loaded. */
  readonly loaded: Promise<void>;
  readonly #path: string;
  readonly #log: Log;
  readonly #worker: Worker;
  readonly #asked = new Map<number, Answered>();
  #settleLoaded: { resolve(): void; reject(error: Error): void };
  #ping: ReturnType<typeof setTimeout> | undefined;
  #number = 0;
  #isRetired = false;
  isOver = false;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.loaded = promise;
    this.loaded.catch(() => {});
    this.#settleLoaded = { resolve, reject };
    // Of the binary it is an entry point of its own (scripts/build).
    const isSource = import.meta.url.endsWith("/moduleasker.ts");
    const worker = isSource ? "./moduleworker.ts" : "./auth/moduleworker.ts";
    this.#worker = new Worker(new URL(worker, import.meta.url).href, { smol: true });
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.#heard(data));
    this.#worker.addEventListener("error", ({ message }) => this.#failed(message));
    this.#worker.addEventListener("close", () => this.end());
    this.#post({ type: "load", path });
    const timer = setTimeout(() => {
      reject(new Error(`it was not loaded within ${loadTimeoutMs / 1000} s`));
      this.end();
    }, loadTimeoutMs);
    const loadedOrNot = () => clearTimeout(timer);
    promise.then(loadedOrNot, loadedOrNot);
  }

  async ask(request: AuthRequest, signal: AbortSignal): Promise<unknown> {
    await this.loaded.catch((error: Error) => {
      throw new Unanswered(`${this.#path}: ${error.message}`, true);
    });
    const number = this.#number++;
    const { promise, resolve } = Promise.withResolvers<FromWorker | undefined>();
    if (this.isOver) resolve(undefined);
    else {
      this.#asked.set(number, resolve);
      this.#post({ type: "ask", number, request });
      signal.addEventListener("abort", () => this.#check(), { once: true });
    }
    const message = await promise;
    if (message?.type === "answer") return message.value;
    if (message?.type === "thrown") throw new Unanswered(`${this.#path} threw ${message.message}`, false);
    throw new Unanswered(`${this.#path} has ended before it answered`, true);
  }

  /** Ends once all that was asked is answered, or nobody waits for that any more. */
  retire(): void {
    this.#isRetired = true;
    if (this.#asked.size === 0) this.end();
    else setTimeout(() => this.end(), retiredMs).unref();
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.#ping);
    this.#worker.terminate();
    this.#settleLoaded.reject(new Error("it has ended"));
    for (const answered of this.#asked.values()) answered(undefined);
    this.#asked.clear();
  }

  #heard(message: FromWorker): void {
    switch (message.type) {
      case "loaded":
        this.#settleLoaded.resolve();
        return;
      case "failed":
        this.#settleLoaded.reject(new Error(message.message));
        return;
      case "pong":
        clearTimeout(this.#ping);
        this.#ping = undefined;
        return;
      case "answer":
      case "thrown":
        this.#asked.get(message.number)?.(message);
        this.#asked.delete(message.number);
        if (this.#isRetired && this.#asked.size === 0) this.end();
        return;
      default:
        message satisfies never;
    }
  }

  /** The thread is over: the module threw where nobody catches it, or its file can't be read. */
  #failed(message: string): void {
    const reason = /^error: .*$/m.exec(message)?.[0].slice("error: ".length) ?? message.split("\n", 1)[0];
    this.#settleLoaded.reject(new Error(reason));
    this.#log.repeated("module", `${this.#path} failed: ${reason}`, "error");
    this.end();
  }

  /** An answer is late: whether it comes to anything at all. */
  #check(): void {
    if (this.isOver || this.#ping !== undefined) return;
    if (this.#asked.size > maxUnanswered) return this.#kill(`left ${maxUnanswered} requests unanswered`);
    this.#ping = setTimeout(() => this.#kill("never comes back"), pingTimeoutMs);
    this.#post({ type: "ping" });
  }

  #kill(reason: string): void {
    this.#log.repeated("module", `${this.#path} ${reason}: it is ended, and starts anew`, "error");
    this.end();
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}
