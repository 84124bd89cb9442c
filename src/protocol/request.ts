// A client's request, with a type for each intent: parsed from its text, with all rules for
// single values applied (README.md, "Requests"; the rules are in keys.ts). What depends on settings or on the system
// (user names as file names, bufsize against the backlog) is checked elsewhere.

import { FstreamError } from "../errors.ts";
import { isKey, requestKeys } from "./keys.ts";
import { formatText, parseText } from "./text.ts";

export type Intent = keyof typeof requestKeys;

type RequestOf<I extends Intent> = {
  readonly intent: I;
  /** Its unknown keys, written as the query of a URL: for the operator's authentication. */
  readonly query: string;
} & {
  readonly [F in keyof (typeof requestKeys)[I]]: (typeof requestKeys)[I][F] extends {
    read: (value: string | undefined) => infer T;
  }
    ? T
    : never;
};

export type WatchRequest = RequestOf<"watch">;
export type BroadcastRequest = RequestOf<"broadcast">;
export type TokenRequest = RequestOf<"token">;
export type EndRequest = RequestOf<"end">;
export type Request = WatchRequest | BroadcastRequest | TokenRequest | EndRequest;

/** Whether the text asks for replies: defined for any text, so that refused requests are answered too. */
export function wantsReply(text: string): boolean {
  return parseText(text).fields.get("reply") === "1";
}

/** A token as presented in a request, with the user named there. */
export interface PresentedToken {
  readonly user: string;
  readonly token: string;
}

/** The token that a broadcaster's text presents, if any, whatever else is wrong with the text. */
export function presentedToken(text: string): PresentedToken | undefined {
  const { word, fields } = parseText(text);
  const user = fields.get("user");
  const token = fields.get("token");
  return word === "broadcast" && user !== undefined && token !== undefined ? { user, token } : undefined;
}

/** Parses the text of a request. Throws `bad_request`, naming the wrong key and what would be right. */
export function parseRequest(text: string): Request {
  const { word: intent, fields, broken } = parseText(text);
  if (!isIntent(intent)) {
    throw bad(`unknown intent "${intent.slice(0, 32)}": use watch, broadcast, token or end`);
  }
  const request: Record<string, unknown> = { intent, query: queryOf(fields) };
  for (const [field, { key, read }] of Object.entries(requestKeys[intent])) {
    if (broken.has(key)) throw bad(`the value of ${key}*= is not valid percent-encoded UTF-8`);
    request[field] = read(fields.get(key));
  }
  return request as Request;
}

/** Without the keys of other intents, whose passwords must not be passed on. */
function queryOf(fields: ReadonlyMap<string, string>): string {
  return new URLSearchParams([...fields].filter(([key]) => !isKey(key))).toString();
}

/** Default maximum length of a request's text (`max_request`), bytes. */
export const maxRequestBytes = 4096;

/** Length of the text of our client's request, including `reply=1`; bytes. */
export function requestTextBytes(intent: Intent, fields: Iterable<readonly [string, string]>): number {
  return new TextEncoder().encode(formatText(intent, [...fields, ["reply", "1"]])).length;
}

/** The bytes of a request: bare preamble, length, null byte, text. */
export function encodeRequest(intent: Intent, fields: Iterable<readonly [string, string]>): Uint8Array {
  const text = new TextEncoder().encode(formatText(intent, fields));
  const bytes = new Uint8Array(7 + text.length);
  bytes[0] = 0x0a;
  bytes[1] = 0x0a;
  new DataView(bytes.buffer).setUint32(2, text.length);
  bytes.set(text, 7);
  return bytes;
}

function isIntent(word: string): word is Intent {
  return Object.hasOwn(requestKeys, word);
}

function bad(message: string): FstreamError {
  return new FstreamError("bad_request", message);
}
