// The first message of a client on a WebSocket (README.md, "WebSocket"): a JSON object, with the keys of a request and
// their rules (keys.ts). The path names the channel.

import { FstreamError } from "../errors.ts";
import { requestKeys } from "./keys.ts";
import type { BroadcastRequest, WatchRequest } from "./request.ts";

export type WatchMessage = Omit<WatchRequest, "intent" | "query" | "user" | "channel" | "reply">;
export type BroadcastMessage = Omit<BroadcastRequest, "intent" | "query" | "user" | "channel" | "reply">;

/** A watcher's request. Throws FstreamError `bad_request`, naming the wrong key and what would be right. */
export function parseWatchMessage(message: string): WatchMessage {
  const { channelPassword, watcher, watcherPassword, start, waitSeconds, slowPolicy } = requestKeys.watch;
  const fields = fieldsOf(message);
  return {
    channelPassword: channelPassword.read(valueOf(fields, channelPassword.key)),
    watcher: watcher.read(valueOf(fields, watcher.key)),
    watcherPassword: watcherPassword.read(valueOf(fields, watcherPassword.key)),
    start: start.read(valueOf(fields, start.key)),
    waitSeconds: waitSeconds.read(valueOf(fields, waitSeconds.key)),
    slowPolicy: slowPolicy.read(valueOf(fields, slowPolicy.key)),
  };
}

/** A broadcaster's request, with its login. Throws likewise. */
export function parseBroadcastMessage(message: string): BroadcastMessage {
  const { userPassword, token, channelPassword, bufsize } = requestKeys.broadcast;
  const fields = fieldsOf(message);
  return {
    userPassword: userPassword.read(valueOf(fields, userPassword.key)),
    token: token.read(valueOf(fields, token.key)),
    channelPassword: channelPassword.read(valueOf(fields, channelPassword.key)),
    bufsize: bufsize.read(valueOf(fields, bufsize.key)),
  };
}

/** The token that a broadcaster's message presents, if any, whatever else is wrong with it. */
export function tokenOf(message: string): string | undefined {
  return textOf(message, requestKeys.broadcast.token.key);
}

/** The `type` of a message; undefined if it has none, or is not an object. */
export function messageType(message: string): string | undefined {
  return textOf(message, "type");
}

/** A string or number in a message; undefined if it is missing, or the message is not an object. */
function textOf(message: string, key: string): string | undefined {
  const parsed = parse(message);
  const value: unknown = parsed !== undefined && isObject(parsed.value) ? own(parsed.value, key) : undefined;
  return typeof value === "string" || typeof value === "number" ? String(value) || undefined : undefined;
}

function fieldsOf(message: string): object {
  const parsed = parse(message);
  if (parsed === undefined) throw bad("the message is not JSON");
  if (!isObject(parsed.value)) throw bad("the message is not a JSON object");
  return parsed.value;
}

/** Undefined if it is not JSON. */
function parse(message: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(message) };
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(fields: object, key: string): unknown {
  return Object.hasOwn(fields, key) ? Reflect.get(fields, key) : undefined;
}

/** A value as text, which may be given as a number. Empty or null counts as left out. */
function valueOf(fields: object, key: string): string | undefined {
  const value = own(fields, key);
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw bad(`${key} must be a string or a number`);
}

function bad(message: string): FstreamError {
  return new FstreamError("bad_request", message);
}
