// What is live on a server, by its API (`GET /api/channels`). What the server says is checked field by field: a table is made of
// it, for a terminal.

import { FstreamError } from "../errors.ts";
import { type Address, formatPlace } from "./address.ts";
import { exchange } from "./http.ts";
import { refusal } from "./token.ts";
import type { Trust } from "./trust.ts";

/** A channel, as its server describes it. */
export interface ChannelStatus {
  readonly user: string;
  readonly channel: string;
  readonly state: string;
  /** When its broadcast began, milliseconds since 1970-01-01 UTC. */
  readonly sinceMs: number;
  /** Empty where it is not known. */
  readonly container: string;
  readonly codecs: readonly string[];
  /** Pixels. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** Bits a second. */
  readonly bitrate: number;
  readonly watchers: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly skips: number;
  /** What watchers need: "public" (nothing), "password", "login", "login and password". */
  readonly access: string;
}

export interface Status {
  /** In the order of their names. */
  readonly channels: readonly ChannelStatus[];
  /** Whether it lists channels that are not public too. */
  readonly isAll: boolean;
  /** The server's time, milliseconds since 1970-01-01 UTC; undefined if it did not say. */
  readonly nowMs: number | undefined;
  /** All that it answered. */
  readonly answer: unknown;
}

/** Larger answers are not believed: some ten thousand channels. Bytes. */
const maxAnswerBytes = 8 * 1024 * 1024;

/** How deeply an answer is nested; there is no need of more than four. */
const maxDepth = 32;

/** What is live there. `adminToken` shows what is not public, too. Rejects with FstreamError. */
export async function fetchStatus(
  address: Address,
  trust: Trust,
  adminToken: string | undefined,
): Promise<Status> {
  const response = await exchange(address, trust, {
    method: "GET",
    path: "/api/channels",
    headers: {
      Accept: "application/json",
      ...(adminToken === undefined ? {} : { Authorization: `Bearer ${adminToken}` }),
    },
    maxResponseBytes: maxAnswerBytes,
  });
  if (response.status === 404) {
    throw new FstreamError("failed", `no fstream API at ${formatPlace(address)}`, {
      hint: "the API is on https_listen, usually port 61921",
    });
  }
  const answer = parsed(response.body);
  if (response.status !== 200) throw refusal({ ...response, body: messageOf(answer) ?? "" });
  const list = field(answer, "channels");
  // Indented for people, what is nested deeply is as long as the square of that.
  if (!Array.isArray(list) || isDeeper(answer, maxDepth)) throw noStatus();
  const channels = list.map(readChannel).sort((a, b) => order(a.user, b.user) || order(a.channel, b.channel));
  const date = Date.parse(response.headers.get("date") ?? "");
  return {
    channels,
    isAll: field(answer, "all") === true,
    nowMs: Number.isNaN(date) ? undefined : date,
    answer,
  };
}

/** Whether arrays and objects are in one another more than `depth` times. */
function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth === 0 || Object.values(value).some((each) => isDeeper(each, depth - 1));
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function readChannel(value: unknown): ChannelStatus {
  const text = (name: string) => required(field(value, name), "string");
  const number = (name: string) => required(field(value, name), "number");
  const pixels = (name: string) => (field(value, name) === undefined ? undefined : number(name));
  const codecs = field(value, "codecs");
  if (!Array.isArray(codecs)) throw noStatus();
  return {
    user: text("user"),
    channel: text("channel"),
    state: text("state"),
    sinceMs: timeOf(text("since")),
    container: text("container"),
    codecs: codecs.map((codec) => required(codec, "string")),
    width: pixels("width"),
    height: pixels("height"),
    bitrate: number("bitrate"),
    watchers: number("watchers"),
    receivedBytes: number("received_bytes"),
    sentBytes: number("sent_bytes"),
    skips: number("skips"),
    access: text("access"),
  };
}

function timeOf(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw noStatus();
  return ms;
}

interface Types {
  string: string;
  number: number;
  boolean: boolean;
}

function required<T extends keyof Types>(value: unknown, type: T): Types[T] {
  if (typeof value === type) return value as Types[T];
  throw noStatus();
}

/** The field of an object; undefined if it has none, or is none. */
function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** The reason in an answer's `error`. */
function messageOf(answer: unknown): string | undefined {
  const message = field(field(answer, "error"), "message");
  return typeof message === "string" ? message : undefined;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined; // the status, or what is missing then, says enough
  }
}

function noStatus(): FstreamError {
  return new FstreamError("failed", "the server's answer is not a list of channels");
}
