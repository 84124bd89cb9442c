// Runs an operator's module (moduleasker.ts) in a thread of its own. The first message names the file, each further one is a
// request; each is answered once.

import type { Authenticate, AuthRequest } from "./authtypes.ts";

export type ToWorker =
  | { readonly type: "load"; readonly path: string }
  | { readonly type: "ask"; readonly number: number; readonly request: AuthRequest }
  | { readonly type: "ping" };

export type FromWorker =
  | { readonly type: "loaded" }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "answer"; readonly number: number; readonly value: unknown }
  | { readonly type: "thrown"; readonly number: number; readonly message: string }
  | { readonly type: "pong" };

declare const self: Worker;

let authenticate: Authenticate | undefined;

self.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  switch (data.type) {
    case "load":
      void load(data.path);
      return;
    case "ask":
      void ask(data.number, data.request);
      return;
    case "ping":
      say({ type: "pong" });
      return;
    default:
      data satisfies never;
  }
});

async function load(path: string): Promise<void> {
  try {
    const module = (await import(path)) as { readonly authenticate?: unknown };
    if (typeof module.authenticate !== "function") {
      say({ type: "failed", message: "it exports no function authenticate" });
      return;
    }
    authenticate = module.authenticate as Authenticate;
    say({ type: "loaded" });
  } catch (error) {
    say({ type: "failed", message: messageOf(error) });
  }
}

async function ask(number: number, request: AuthRequest): Promise<void> {
  try {
    const value: unknown = await authenticate?.(request);
    // What can't be sent, such as a function, is thrown here.
    say({ type: "answer", number, value });
  } catch (error) {
    say({ type: "thrown", number, message: messageOf(error) });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function say(message: FromWorker): void {
  self.postMessage(message);
}
