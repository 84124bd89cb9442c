// An operator's module in a thread (moduleworker.ts), from the server's side: what is asked is answered, or the thread is over.
// A thread in which nothing moves any more is ended: it is asked for a sign of life with what else it is asked.

import type { Log } from "../log.ts";
import type { AuthRequest } from "./authtypes.ts";
import type { FromWorker, ToWorker } from "./moduleworker.ts";

/** How long a module may take to load, milliseconds: it may have to wait for a database. */
const loadTimeoutMs = 10_000;
/** One that was replaced may take so long for what it was asked before, milliseconds. */
const retiredMs = 30_000;
/** Requests that it may leave unanswered for good. */
const maxUnanswered = 1000;

export type Answer = Extract<FromWorker, { type: "answer" | "thrown" }>;

export interface ThreadOptions {
  readonly path: string;
  readonly log: Log;
  /** How long it may show no sign of life, milliseconds. */
  readonly timeoutMs: number;
}

interface Asked {
  readonly settle: (answer: Answer | undefined) => void;
  /** What the module does for it before it waits for something is done. */
  isBegun: boolean;
  /** Nobody waits for its answer any more. */
  isLate: boolean;
}

export class ModuleThread {
  /** Rejects if the module can't be loaded. */
  readonly loaded: Promise<void>;
  isOver = false;
  readonly #options: ThreadOptions;
  readonly #worker: Worker;
  readonly #asked = new Map<number, Asked>();
  /** Requests that nobody waits for any more, and that were not answered. */
  #left = 0;
  readonly #settleLoaded: { resolve(): void; reject(error: Error): void };
  readonly #loading: ReturnType<typeof setTimeout>;
  /** While a sign of life is due. */
  #ping: ReturnType<typeof setTimeout> | undefined;
  #number = 0;
  #isLoaded = false;
  #isRetired = false;

  /** Begins to load it. */
  constructor(options: ThreadOptions) {
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.loaded = promise;
    this.loaded.catch(() => {}); // nobody may wait for it
    this.#settleLoaded = { resolve, reject };
    // Of the binary it is an entry point of its own (scripts/build).
    const isSource = import.meta.url.endsWith("/modulethread.ts");
    const worker = isSource ? "./moduleworker.ts" : "./auth/moduleworker.ts";
    this.#worker = new Worker(new URL(worker, import.meta.url).href, { smol: true });
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.#heard(data));
    this.#worker.addEventListener("error", ({ message }) => this.#failed(message));
    this.#worker.addEventListener("close", () => this.end());
    this.#post({ type: "load", path: options.path });
    this.#loading = setTimeout(() => {
      reject(new Error(`it did not load within ${loadTimeoutMs / 1000} s`));
      this.end();
    }, loadTimeoutMs);
  }

  /**
   * To be asked once it is loaded. Undefined: the thread has ended before there was an answer; or `signal` was aborted, and the
   * module is past what it does for this request before it waits for something.
   */
  ask(request: AuthRequest, signal: AbortSignal): Promise<Answer | undefined> {
    if (this.#left >= maxUnanswered) this.#kill(`left ${maxUnanswered} requests unanswered`);
    if (this.isOver) return Promise.resolve(undefined);
    const number = this.#number++;
    const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
    const asked: Asked = { settle: resolve, isBegun: false, isLate: signal.aborted };
    this.#asked.set(number, asked);
    signal.addEventListener(
      "abort",
      () => {
        asked.isLate = true;
        if (asked.isBegun) this.#leave(number);
      },
      { once: true },
    );
    this.#post({ type: "ask", number, request });
    this.#post({ type: "ping", number });
    if (this.#ping === undefined) this.#awaitPong();
    return promise;
  }

  /** Nobody waits for that answer any more. */
  #leave(number: number): void {
    const asked = this.#asked.get(number);
    if (asked === undefined) return;
    this.#asked.delete(number);
    this.#left++;
    asked.settle(undefined);
  }

  #awaitPong(): void {
    this.#ping = setTimeout(() => this.#kill("stopped responding"), this.#options.timeoutMs);
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
    clearTimeout(this.#loading);
    this.#worker.terminate();
    this.#settleLoaded.reject(new Error("it exited while loading"));
    for (const { settle } of this.#asked.values()) settle(undefined);
    this.#asked.clear();
  }

  #heard(message: FromWorker): void {
    // The module itself may say anything.
    switch (message?.type) {
      case "loaded":
        clearTimeout(this.#loading);
        this.#isLoaded = true;
        this.#settleLoaded.resolve();
        return;
      case "failed":
        this.#settleLoaded.reject(new Error(message.message));
        this.end();
        return;
      case "pong":
        clearTimeout(this.#ping);
        this.#ping = undefined;
        if (message.number !== this.#number - 1) this.#awaitPong();
        this.#begun(message.number);
        return;
      case "answer":
      case "thrown":
        if (!this.#asked.has(message.number)) this.#left--;
        this.#asked.get(message.number)?.settle(message);
        this.#asked.delete(message.number);
        if (this.#isRetired && this.#asked.size === 0) this.end();
        return;
      default:
        message satisfies undefined;
    }
  }

  /** The module has done what it does at once for that request. */
  #begun(number: number): void {
    const asked = this.#asked.get(number);
    if (asked === undefined) return;
    asked.isBegun = true;
    if (asked.isLate) this.#leave(number);
  }

  /** The thread is over: the module threw where nobody catches it, or its file can't be read. */
  #failed(message: string): void {
    // What Bun gives is what it would print: the source, the reason, the stack.
    const reason = /^(?:\w+: )?error: (.*)$/im.exec(message)?.[1] ?? message.split("\n", 1)[0];
    this.#settleLoaded.reject(new Error(reason));
    if (this.#isLoaded) this.#kill(`failed: ${reason}`);
    else this.end();
  }

  #kill(reason: string): void {
    const { log, path } = this.#options;
    log.repeated("module", `${path} ${reason}: restarting it`, "error");
    this.end();
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}
