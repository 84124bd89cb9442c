// The handshake and the frames once more, of whole inputs and as plainly as can be, straight from the
// specification: what the decoders are compared with where no vector says what is right.

export interface Limits {
  readonly maxPreambleBytes: number;
  readonly maxRequestBytes: number;
}

export type Handshake =
  | { readonly type: "more" | "refused" }
  | { readonly type: "request"; readonly restAt: number; readonly user: string; readonly channel: string }
  | { readonly type: "request"; readonly restAt: number; readonly id: string };

/** What becomes of a connection that has sent `bytes`. */
export function modelHandshake(bytes: Buffer, { maxPreambleBytes, maxRequestBytes }: Limits): Handshake {
  const preamble = /^[^]*?\n\r?\n/.exec(bytes.toString("latin1"))?.[0].length ?? Number.POSITIVE_INFINITY;
  if (preamble > maxPreambleBytes) return { type: bytes.length >= maxPreambleBytes ? "refused" : "more" };
  if (bytes.length < preamble + 4) return { type: "more" };
  const length = bytes.readUInt32BE(preamble);
  if (length > maxRequestBytes) return { type: "refused" };
  if (bytes.length < preamble + 5) return { type: "more" };
  if (bytes[preamble + 4] !== 0 || length === 0) return { type: "refused" };
  const restAt = preamble + 5 + length;
  if (bytes.length < restAt) return { type: "more" };
  const text = utf8(bytes.subarray(preamble + 5, restAt));
  return text === undefined ? { type: "refused" } : modelRequest(text, restAt);
}

function modelRequest(text: string, restAt: number): Handshake {
  const intent = text.split(",", 1)[0];
  const user = value(text, "user") ?? "";
  const channel = value(text, "channel") ?? "default";
  const number = (key: string) => /^[0-9]+$/.test(value(text, key) ?? "0");
  const known: Record<string, () => boolean> = {
    watch: () =>
      /^(join|next|live|[0-9]+(ms|s|m|h))$/.test(value(text, "start") ?? "join") &&
      /^(skip|close)$/.test(value(text, "lag") ?? "skip") &&
      value(text, "channel_password") !== broken &&
      value(text, "watcher_password") !== broken &&
      !/\p{Cc}/u.test(value(text, "watcher") ?? "") &&
      number("wait"),
    broadcast: () =>
      value(text, "channel_password") !== broken &&
      value(text, "token") !== broken &&
      value(text, "user_password") !== broken &&
      number("bufsize"),
    token: () => value(text, "user_password") !== broken,
  };
  if (intent === "end") {
    const id = value(text, "id") ?? "";
    const answered = value(text, "reply") === "1" && /^[\w-]{1,64}$/.test(id);
    return answered ? { type: "request", restAt, id } : { type: "refused" };
  }
  const named = user !== "" && !/\p{Cc}/u.test(user);
  const placed = intent === "token" || (!/\p{Cc}/u.test(channel) && Buffer.byteLength(channel) <= 255);
  const replies = /^[01]$/.test(value(text, "reply") ?? "0");
  if (!Object.hasOwn(known, intent) || !named || !placed || !replies || !known[intent]()) {
    return { type: "refused" };
  }
  return { type: "request", restAt, user, channel };
}

/** Stands for a value that is no percent-encoded UTF-8: a control character, which no rule allows. */
const broken = "\0broken";

/** What counts for a key: the last of its kind, the starred one, unless it is empty. */
function value(text: string, key: string): string | undefined {
  const last = (start: string) =>
    text
      .split(",")
      .slice(1)
      .findLast((part) => part.startsWith(start))
      ?.slice(start.length);
  const starred = last(`${key}*=`) ?? "";
  return starred === "" ? last(`${key}=`) || undefined : (unescaped(starred) ?? broken);
}

function unescaped(text: string): string | undefined {
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined;
  const escaped = Buffer.from(text, "utf8").toString("latin1");
  const bytes = escaped.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return utf8(Buffer.from(bytes, "latin1"));
}

function utf8(bytes: Buffer): string | undefined {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : undefined;
}

/** Whether `bytes` begin with a whole frame, and how long it is. */
export function modelFrame(bytes: Buffer): number | undefined {
  if (bytes.length < 5) return undefined;
  const length = bytes.readUInt32BE(0);
  const text = bytes.subarray(5, 5 + length);
  if (length < 2 || length > 4096 || bytes[4] !== 0 || text.length < length) return undefined;
  return /^(ok$|ok,|error,code=)/.test(utf8(text) ?? "") ? 5 + length : undefined;
}
