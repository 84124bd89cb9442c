// Runs an operator's module in a thread of its own (modulethread.ts is the server's side). The first message names the file, each
// further one is a request; each is answered once.

import { pathToFileURL } from "node:url";
import type { Authenticate, AuthRequest } from "./authtypes.ts";

export type ToWorker =
  | { readonly type: "load"; readonly path: string }
  | { readonly type: "ask"; readonly number: number; readonly request: AuthRequest }
  | { readonly type: "ping"; readonly number: number };

export type FromWorker =
  | { readonly type: "loaded" }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "answer"; readonly number: number; readonly value: unknown }
  | { readonly type: "thrown"; readonly number: number; readonly message: string }
  | { readonly type: "pong"; readonly number: number };

declare const self: Worker;

// The server's standard output is for nothing but what it is asked for.
console.log = console.error;
console.info = console.error;
console.debug = console.error;

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
      say({ type: "pong", number: data.number });
      return;
    default:
      data satisfies never;
  }
});

async function load(path: string): Promise<void> {
  try {
    if (!(await Bun.file(path).exists())) return say({ type: "failed", message: "no such file" });
    const module = (await import(pathToFileURL(path).href)) as { readonly authenticate?: unknown };
    if (typeof module.authenticate !== "function")
      return say({ type: "failed", message: "it does not export a function authenticate" });
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

/** With the place in the operator's files, where there is one. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Of several mistakes in a file the first.
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  const place = placeOf(error);
  return `${isBuilding(error) ? "" : `${error.name}: `}${error.message}${place === undefined ? "" : ` (${place})`}`;
}

function placeOf(error: Error): string | undefined {
  if (isBuilding(error))
    return error.position === null ? undefined : `${error.position.file}:${error.position.line}`;
  return /^\s+at (?:.*\()?(\/(?!\$bunfs)[^()\n]*:\d+:\d+)\)?$/m.exec(error.stack ?? "")?.[1];
}

/** What Bun has against a file. */
function isBuilding(error: Error): error is BuildMessage | ResolveMessage {
  return error.name === "BuildMessage" || error.name === "ResolveMessage";
}

function say(message: FromWorker): void {
  self.postMessage(message);
}
