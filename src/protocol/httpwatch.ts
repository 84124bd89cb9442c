// A watcher's request as HTTP has it (README.md, "Watching over HTTP"): `/watch/USER/CHANNEL?KEY=VALUE&...`, with the keys of
// `watch` and their rules (keys.ts). If watchers log in, Basic authentication (RFC 7617) is the login; otherwise its password may
// be the channel's, and its user name is ignored.

import { FstreamError } from "../errors.ts";
import type { HttpHead } from "./httphead.ts";
import { isKey, requestKeys } from "./keys.ts";
import type { WatchRequest } from "./request.ts";

/** The path before USER/CHANNEL in a target. */
export const watchPath = "/watch/";
/** A player that requests at most this much is probing, not playing. Bytes. */
const maxProbeBytes = 1024;
export const broadcastPath = "/broadcast/";
/** No request uses more than ten. */
const maxParameters = 100;

/** A request over HTTP to watch. */
export interface HttpWatch extends Omit<WatchRequest, "intent" | "query" | "reply"> {
  /** How many of the first bytes a probing player requests; undefined: the stream. */
  readonly probedBytes: number | undefined;
}

/** The user and the channel in a target's path, after `prefix`. Throws FstreamError `bad_request`. */
export function channelOf(path: string, prefix: string): { readonly user: string; readonly channel: string } {
  const names = path.slice(prefix.length).split("/", 3).map(decoded);
  if (names.length > 2 || names[0] === "")
    throw bad(`the path is ${prefix}USER/CHANNEL; a slash in a channel's name is written as %2F`);
  const [user, channel] = names;
  return {
    user: requestKeys.watch.user.read(user),
    channel: requestKeys.watch.channel.read(channel || undefined),
  };
}

/** The path of a target, without its parameters. */
export function pathOf(target: string): string {
  const from = target.indexOf("?");
  // In absolute form (RFC 9112, section 3.2.2), as proxies have it, without the scheme and the host.
  const path = (from < 0 ? target : target.slice(0, from)).replace(/^https?:\/\/[^/]*/i, "");
  return path === "" ? "/" : path;
}

/**
 * The parameters of a target. Each costs a thousand times its bytes, so their number is limited: throws FstreamError
 * `bad_request`. Call it once per request, and only if the parameters are needed.
 */
export function queryOf(target: string): URLSearchParams {
  const query = queryTextOf(target);
  if (query.split("&", maxParameters + 1).length > maxParameters)
    throw bad(`the request has more than ${maxParameters} parameters`);
  return new URLSearchParams(query);
}

/** The query of a target without the protocol's own keys, unchanged. */
export function otherQueryOf(target: string): string {
  const fields = queryTextOf(target).split("&");
  return fields.filter((field) => !isKey([...new URLSearchParams(field).keys()].join(""))).join("&");
}

function queryTextOf(target: string): string {
  const from = target.indexOf("?");
  return from < 0 ? "" : target.slice(from + 1);
}

/** The request that a `/watch/...` target makes, depending on whether watchers log in. Throws FstreamError `bad_request`. */
export function parseHttpWatch(
  { method, target, headers }: Pick<HttpHead, "method" | "target" | "headers">,
  watchersLogIn: boolean,
): HttpWatch {
  const query = queryOf(target);
  const keys = requestKeys.watch;
  const value = (key: string) => query.getAll(key).at(-1) || undefined;
  const basic = basicOf(headers);
  // A name and its password come together.
  const isInQuery = query.has("watcher") || query.has("watcher_password");
  const login = watchersLogIn && !isInQuery ? basic : undefined;
  return {
    ...channelOf(pathOf(target), watchPath),
    channelPassword: keys.channelPassword.read(
      value("channel_password") ?? (watchersLogIn ? undefined : basic?.password),
    ),
    watcher: keys.watcher.read(value("watcher") ?? login?.user),
    watcherPassword: keys.watcherPassword.read(value("watcher_password") ?? login?.password),
    start: keys.start.read(value("start")),
    waitSeconds: keys.waitSeconds.read(value("wait")),
    slowPolicy: keys.slowPolicy.read(value("lag")),
    probedBytes: method === "GET" ? probedBytesOf(headers) : undefined,
  };
}

/** Safari first requests `bytes=0-1`. Any other range may be answered with everything (RFC 9110, section 14.2). */
function probedBytesOf(headers: Headers): number | undefined {
  const last = /^bytes=0-(\d{1,15})$/i.exec(headers.get("range") ?? "")?.[1];
  const bytes = Number(last) + 1;
  return bytes <= maxProbeBytes ? bytes : undefined;
}

/** The user and password of Basic authentication; undefined if there is none. Throws FstreamError `bad_request`. */
export function basicOf(headers: Headers): { readonly user: string; readonly password: string } | undefined {
  const [, scheme, value = ""] =
    /^([!#$%&'*+.^_`|~\w-]+)(?: +(.*))?$/.exec(headers.get("authorization") ?? "") ?? [];
  if (scheme?.toLowerCase() !== "basic") return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(value.trim()));
    const colon = text.indexOf(":");
    if (colon >= 0) return { user: text.slice(0, colon), password: text.slice(colon + 1) };
  } catch {
    // Neither base64 nor UTF-8.
  }
  throw bad("the Authorization header is not Basic user:password");
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw bad("a name in the path is not valid percent-encoded UTF-8");
  }
}

function bad(message: string): FstreamError {
  return new FstreamError("bad_request", message);
}
