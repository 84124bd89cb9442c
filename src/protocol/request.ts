// What a client asks for, as a type for each intent: parsed from the text of its request, with every rule
// about single values applied (README.md, "Requests"). What depends on settings or on the system (user
// names as file names, bufsize against the backlog) is checked where they are known.

import { FstreamError } from "../errors.ts";
import { formatText, parseText, type Text } from "./text.ts";

/** Where a watcher's first byte is to be. */
export type Start =
  | { readonly type: "join" | "next" | "live" }
  | { readonly type: "back"; readonly ms: number };

export interface WatchRequest {
  readonly intent: "watch";
  readonly user: string;
  readonly channel: string;
  readonly channelPassword: string;
  readonly start: Start;
  /** How long to wait for a channel that is not live, seconds; 0: not at all. */
  readonly waitSeconds: number;
  /** What happens when the watcher falls too far behind; undefined: as the server's settings have it. */
  readonly slowPolicy: "skip" | "close" | undefined;
  readonly reply: boolean;
}

export interface BroadcastRequest {
  readonly intent: "broadcast";
  readonly user: string;
  /** A token beats a password. */
  readonly credential: Credential;
  readonly channel: string;
  readonly channelPassword: string;
  /** Chunk size in bytes; 0: none. */
  readonly bufsize: number;
  readonly reply: boolean;
}

export interface TokenRequest {
  readonly intent: "token";
  readonly user: string;
  readonly userPassword: string;
  readonly reply: boolean;
}

/** How did the stream of a watcher end: asked once it has, on a connection of its own. */
export interface EndRequest {
  readonly intent: "end";
  /** What the `ok` of the watcher said. */
  readonly id: string;
  /** It is answered in a frame or not at all. */
  readonly reply: true;
}

export type Credential =
  | { readonly type: "token"; readonly token: string }
  | { readonly type: "password"; readonly password: string };

export type Request = WatchRequest | BroadcastRequest | TokenRequest | EndRequest;

/** The channel where none is named. */
export const defaultChannel = "default";

/** A channel's name is at most this long, bytes of UTF-8. */
export const maxChannelBytes = 255;

/** What a watcher's id looks like. */
const idShape = /^[A-Za-z0-9_-]{1,64}$/;

/** Durations in requests go up to this, milliseconds (a year). */
const maxDurationMs = 365 * 24 * 3600 * 1000;

/** Whether the text asks for replies in words: known of any text, so that a refused request is answered too. */
export function wantsReply(text: string): boolean {
  return parseText(text).fields.get("reply") === "1";
}

/** A token as a request gives it: with the user whose it should be. */
export interface PresentedToken {
  readonly user: string;
  readonly token: string;
}

/** The token that a broadcaster's text presents, if it does, whatever else is wrong with the text. */
export function presentedToken(text: string): PresentedToken | undefined {
  const { word, fields } = parseText(text);
  const user = fields.get("user");
  const token = fields.get("token");
  return word === "broadcast" && user !== undefined && token !== undefined ? { user, token } : undefined;
}

/** The request that `text` makes. Throws `bad_request` naming the key that is wrong and what would be right. */
export function parseRequest(text: string): Request {
  const parsed = parseText(text);
  switch (parsed.word) {
    case "watch":
      return {
        intent: "watch",
        user: userOf(parsed),
        channel: channelOf(parsed),
        channelPassword: valueOf(parsed, "channel_password") ?? "",
        start: startOf(parsed),
        waitSeconds: wholeNumber(parsed, "wait"),
        slowPolicy: slowPolicyOf(parsed),
        reply: replyOf(parsed),
      };
    case "broadcast":
      return {
        intent: "broadcast",
        user: userOf(parsed),
        credential: credentialOf(parsed),
        channel: channelOf(parsed),
        channelPassword: valueOf(parsed, "channel_password") ?? "",
        bufsize: wholeNumber(parsed, "bufsize"),
        reply: replyOf(parsed),
      };
    case "token":
      return {
        intent: "token",
        user: userOf(parsed),
        userPassword: valueOf(parsed, "user_password") ?? "",
        reply: replyOf(parsed),
      };
    case "end":
      if (!replyOf(parsed)) throw bad("end is answered in a frame: it needs reply=1");
      return { intent: "end", id: idOf(parsed), reply: true };
    default:
      throw bad(`unknown intent "${parsed.word.slice(0, 32)}": it is watch, broadcast, token or end`);
  }
}

/** The bytes that make a request: bare preamble, length, null byte, text. */
export function encodeRequest(
  intent: Request["intent"],
  fields: Iterable<readonly [string, string]>,
): Uint8Array {
  const text = new TextEncoder().encode(formatText(intent, fields));
  const bytes = new Uint8Array(7 + text.length);
  bytes[0] = 0x0a;
  bytes[1] = 0x0a;
  new DataView(bytes.buffer).setUint32(2, text.length);
  bytes.set(text, 7);
  return bytes;
}

/** A duration as requests have it: a whole number with ms, s, m or h; a year at most. Undefined if it is none. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+)(ms|s|m|h)$/.exec(text);
  if (match === null) return undefined;
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] as "ms" | "s" | "m" | "h"];
  return Math.min(Number(match[1]) * unit, maxDurationMs);
}

function userOf(text: Text): string {
  const user = valueOf(text, "user");
  if (user === undefined) throw bad("user is missing: it names whose channel it is");
  refuseControls("user", user);
  return user;
}

function channelOf(text: Text): string {
  const channel = valueOf(text, "channel") ?? defaultChannel;
  refuseControls("channel", channel);
  if (new TextEncoder().encode(channel).length > maxChannelBytes) {
    throw bad(`channel is too long: at most ${maxChannelBytes} bytes`);
  }
  return channel;
}

function idOf(text: Text): string {
  const id = valueOf(text, "id") ?? "";
  if (idShape.test(id)) return id;
  throw bad("id is missing, or is no id: it is 1 to 64 letters, digits, - and _");
}

function refuseControls(key: string, name: string): void {
  if (/\p{Cc}/u.test(name)) throw bad(`${key} has a control character in it`);
}

function credentialOf(text: Text): Credential {
  const token = valueOf(text, "token");
  if (token !== undefined) return { type: "token", token };
  return { type: "password", password: valueOf(text, "user_password") ?? "" };
}

function startOf(text: Text): Start {
  const value = valueOf(text, "start") ?? "join";
  if (value === "join" || value === "next" || value === "live") return { type: value };
  const ms = parseDurationMs(value);
  if (ms === undefined) throw bad("start is none of join, next, live, or a duration such as 10s");
  return { type: "back", ms };
}

function slowPolicyOf(text: Text): "skip" | "close" | undefined {
  const value = valueOf(text, "lag");
  if (value === undefined || value === "skip" || value === "close") return value;
  throw bad("lag is neither skip nor close");
}

function replyOf(text: Text): boolean {
  const value = valueOf(text, "reply") ?? "0";
  if (value !== "0" && value !== "1") throw bad("reply is neither 0 nor 1");
  return value === "1";
}

/** A number that no double holds counts as the largest that one does: what is too much is for others to say. */
function wholeNumber(text: Text, key: string): number {
  const value = valueOf(text, key) ?? "0";
  if (!/^\d+$/.test(value)) throw bad(`${key} is not a whole number`);
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

function valueOf(text: Text, key: string): string | undefined {
  if (text.broken.has(key)) throw bad(`the value of ${key}*= is not valid percent-encoded UTF-8`);
  return text.fields.get(key);
}

function bad(message: string): FstreamError {
  return new FstreamError("bad_request", message);
}
