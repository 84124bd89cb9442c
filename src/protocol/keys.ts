// The keys of requests, of each intent: the one table of them (README.md, "Requests"). The parser, the types of requests,
// the client's arguments and the test vectors come from it. A new key is a row here, a row in the README, a vector, and its
// implementation.

import { FstreamError } from "../errors.ts";

interface Key<T> {
  readonly key: string;
  /** The parsed value; undefined: it was left out. Throws FstreamError `bad_request` for a bad value. */
  readonly read: (value: string | undefined) => T;
}

/** Where a watcher's stream starts. */
export type Start =
  | { readonly type: "join" | "next" | "live" }
  | { readonly type: "back"; readonly ms: number };

/** The default channel. */
export const defaultChannel = "default";
/** Maximum length of a channel's name, bytes of UTF-8. */
export const maxChannelBytes = 255;
/** The format of a watcher's id. */
const idShape = /^[A-Za-z0-9_-]{1,64}$/;
/** Maximum duration in requests, milliseconds (a year). */
const maxDurationMs = 365 * 24 * 3600 * 1000;

const user: Key<string> = {
  key: "user",
  read(value) {
    if (value === undefined) throw bad("user is missing");
    return withoutControls("user", value);
  },
};

const watcher: Key<string | undefined> = {
  key: "watcher",
  read: (value = "") => (value === "" ? undefined : withoutControls("watcher", value)),
};

const channel: Key<string> = {
  key: "channel",
  read(value = defaultChannel) {
    if (new TextEncoder().encode(value).length > maxChannelBytes)
      throw bad(`channel is too long: at most ${maxChannelBytes} bytes`);
    return withoutControls("channel", value);
  },
};

const reply: Key<boolean> = {
  key: "reply",
  read(value = "0") {
    if (value !== "0" && value !== "1") throw bad("reply must be 0 or 1");
    return value === "1";
  },
};

/** `end` can only be answered with a frame. */
const replyOfEnd: Key<true> = {
  key: "reply",
  read(value) {
    if (!reply.read(value)) throw bad("end needs reply=1");
    return true;
  },
};

/** Values of `start`, besides durations. */
export const startWords = ["join", "next", "live"] as const;

const start: Key<Start> = {
  key: "start",
  read(value = "join") {
    const type = startWords.find((word) => word === value);
    if (type !== undefined) return { type };
    const ms = parseDurationMs(value);
    if (ms === undefined) throw bad("start must be join, next, live or a duration such as 10s");
    return { type: "back", ms };
  },
};

/** Values of `lag`. */
export const lagWords = ["skip", "close"] as const;

/** What happens to a watcher that falls too far behind; undefined: the server's setting. */
const lag: Key<(typeof lagWords)[number] | undefined> = {
  key: "lag",
  read(value) {
    const word = lagWords.find((word) => word === value);
    if (value === undefined || word !== undefined) return word;
    throw bad("lag must be skip or close");
  },
};

const id: Key<string> = {
  key: "id",
  read(value = "") {
    if (idShape.test(value)) return value;
    throw bad("id is missing or invalid: 1 to 64 letters, digits, - and _");
  },
};

/** By intent: the fields of its request, in the order that clients send them. */
export const requestKeys = {
  watch: {
    user,
    channel,
    channelPassword: text("channel_password"),
    /** The watcher's login, if the server requires one. */
    watcher,
    watcherPassword: text("watcher_password"),
    start,
    /** How long to wait for a channel that is not live; 0: not at all. */
    waitSeconds: wholeNumber("wait"),
    slowPolicy: lag,
    reply,
  },
  broadcast: {
    user,
    userPassword: text("user_password"),
    /** If there is one, the password is ignored. */
    token: { key: "token", read: (value: string | undefined) => value },
    channel,
    channelPassword: text("channel_password"),
    /** Chunk size in bytes; 0: none. */
    bufsize: wholeNumber("bufsize"),
    reply,
  },
  token: { user, userPassword: text("user_password"), reply },
  /** Asks how a watcher's stream ended, after its end, on a separate connection. */
  end: { reply: replyOfEnd, id },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Key<unknown>>>>>;

const keys = new Set<string>(
  Object.values(requestKeys).flatMap((keysOf) => Object.values(keysOf).map(({ key }) => key)),
);

/** Whether `key` is a key of any intent. */
export function isKey(key: string): boolean {
  return keys.has(key);
}

/** A duration in a request, milliseconds: a whole number with ms, s, m or h; at most a year. Undefined if it is invalid. */
export function parseDurationMs(value: string): number | undefined {
  const match = /^(\d+)(ms|s|m|h)$/.exec(value);
  if (match === null) return undefined;
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] as "ms" | "s" | "m" | "h"];
  return Math.min(Number(match[1]) * unit, maxDurationMs);
}

/** Any text; "" if it is left out. */
function text(key: string): Key<string> {
  return { key, read: (value = "") => value };
}

/** A number too large for a double counts as the largest safe integer: limits are checked elsewhere. */
function wholeNumber(key: string): Key<number> {
  return {
    key,
    read(value = "0") {
      if (!/^\d+$/.test(value)) throw bad(`${key} is not a whole number`);
      return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
    },
  };
}

function withoutControls(key: string, name: string): string {
  if (/\p{Cc}/u.test(name)) throw bad(`${key} contains a control character`);
  return name;
}

function bad(message: string): FstreamError {
  return new FstreamError("bad_request", message);
}
