// Getting a one-time token: with the protocol itself (over TCP or TLS), or with a POST to /token. An original
// server sends the bare token and closes.

import { FstreamError, isWireCode } from "../errors.ts";
import { encodeRequest } from "../protocol/request.ts";
import { type Address, formatPlace } from "./address.ts";
import type { ServerConnection } from "./connection.ts";
import { dial } from "./dial.ts";
import { FirstReply } from "./firstreply.ts";
import { withHint } from "./hints.ts";
import { exchange, type HttpResponse } from "./http.ts";
import type { Trust } from "./trust.ts";

export interface TokenLogin {
  readonly user: string;
  readonly password: string;
}

/** More than that is no token. Bytes. */
const maxTokenBytes = 1024;
/** No more is shown of the reason that a server gives over HTTP. */
const maxReasonCharacters = 500;
/** How long the server may take to answer: password hashing queues up under load. Milliseconds. */
const answerMs = 30_000;

/** A token for `login`; `extra` are further fields of the protocol's request. */
export async function fetchToken(
  address: Address,
  trust: Trust,
  login: TokenLogin,
  extra: Iterable<readonly [string, string]> = [],
): Promise<string> {
  try {
    return address.scheme === "http" || address.scheme === "https"
      ? await fromHttp(address, trust, login)
      : await fromStream(address, trust, login, extra);
  } catch (error) {
    throw error instanceof FstreamError ? withHint(error, "token", formatPlace(address)) : error;
  }
}

async function fromStream(
  address: Address,
  trust: Trust,
  { user, password }: TokenLogin,
  extra: Iterable<readonly [string, string]>,
): Promise<string> {
  const connection = await dial(address, trust);
  const timer = setTimeout(() => connection.close(`no answer within ${answerMs / 1000} s`), answerMs);
  try {
    const fields: [string, string][] = [
      ["user", user],
      ["user_password", password],
    ];
    await connection.write(encodeRequest("token", [...fields, ...extra, ["reply", "1"]]));
    const decoder = new FirstReply(connection.place, "token");
    const bare: Uint8Array[] = [];
    let size = 0;
    for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) {
      const result = decoder.feed(bytes);
      if (result.type === "reply") {
        if (result.reply.type === "error") throw result.reply.error;
        return checked(result.reply.fields.get("token") ?? "");
      }
      if (result.type !== "stream") continue;
      bare.push(result.bytes);
      size += result.bytes.length;
      if (size > maxTokenBytes) break;
    }
    bare.push(decoder.kept);
    if (connection.ending?.type !== "fin") throw connection.lost();
    const text = Buffer.concat(bare).toString("latin1");
    // A frame that is not whole is no token either.
    if (text !== "" && !text.startsWith("\0")) return checked(text);
    throw silent(connection);
  } finally {
    clearTimeout(timer);
    connection.close();
  }
}

/** The error for a connection that was closed without an answer: the server, or the way to it, is most likely gone. */
function silent({ place, secure }: ServerConnection): FstreamError {
  const hint = "a server of the original protocol refuses this way: check --user and --user-password";
  return new FstreamError(
    "disconnected",
    `${place} closed the connection without a token`,
    secure ? {} : { hint },
  );
}

async function fromHttp(address: Address, trust: Trust, { user, password }: TokenLogin): Promise<string> {
  const credentials = Buffer.from(`${user}:${password}`, "utf8").toString("base64");
  const response = await exchange(address, trust, {
    method: "POST",
    path: "/token",
    headers: { Authorization: `Basic ${credentials}`, Accept: "text/plain" },
  });
  if (response.status !== 200) throw refusal(response);
  if (!response.delimited) {
    throw new FstreamError("disconnected", "the answer has no length, so the token may be incomplete");
  }
  return checked(response.body);
}

/** What an answer other than 200 means: our servers name the code, of others the status has to do. */
export function refusal({ status, headers, body }: HttpResponse): FstreamError {
  const code = headers.get("x-fstream-code") ?? "";
  if (isWireCode(code)) return new FstreamError(code, body.trim().slice(0, maxReasonCharacters) || code);
  const message = `the server answered with HTTP status ${status}`;
  switch (status) {
    case 401:
      return new FstreamError("unauthorized", message);
    case 403:
      return new FstreamError("forbidden", message);
    case 429:
      return new FstreamError("limit", message);
    case 502:
    case 503:
    case 504:
      return new FstreamError("busy", message);
    case 500:
      return new FstreamError("internal", message);
    default: {
      // Our server's words at a port of the protocol.
      const [ours] = /^this port only serves .*/.exec(body.slice(0, maxReasonCharacters)) ?? [];
      return new FstreamError("failed", ours ?? message, redirection(status, headers));
    }
  }
}

/** Where a redirect leads, which is never followed: a port that takes TLS answers so to plain HTTP (RFC 9110, section 15.4). */
function redirection(status: number, headers: HttpResponse["headers"]): { hint?: string } {
  const location = status >= 300 && status < 400 ? URL.parse(headers.get("location") ?? "") : null;
  const isSite = location !== null && /^https?:$/.test(location.protocol);
  return isSite ? { hint: `the address may be ${location.origin}` } : {};
}

/** `text` as a token: visible ASCII, so that nothing else gets into a script's variable. */
function checked(text: string): string {
  const token = text.trim();
  if (token.length <= maxTokenBytes && /^[!-~]+$/.test(token)) return token;
  throw new FstreamError("failed", "the server's answer is not a token");
}
