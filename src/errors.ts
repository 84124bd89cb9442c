// What can go wrong, in one closed set of codes, and what each code means
// on the wire (protocol/README.md, "Codes"), over HTTP, and as our exit status. Nothing else in the program decides those three.

interface Meaning {
  /** Whether the code may stand in an `error` frame; the others never leave this process. */
  readonly wire: boolean;
  /** HTTP status (RFC 9110, section 15). */
  readonly http: number;
  /** Exit status of the client that meets it. */
  readonly exit: number;
}

const meanings = {
  unauthorized: { wire: true, http: 401, exit: 3 },
  forbidden: { wire: true, http: 403, exit: 3 },
  replaced: { wire: true, http: 409, exit: 3 },
  not_live: { wire: true, http: 404, exit: 4 },
  slow: { wire: true, http: 503, exit: 5 },
  busy: { wire: true, http: 503, exit: 6 },
  limit: { wire: true, http: 429, exit: 6 },
  shutting_down: { wire: true, http: 503, exit: 6 },
  bad_request: { wire: true, http: 400, exit: 1 },
  internal: { wire: true, http: 500, exit: 1 },
  failed: { wire: false, http: 500, exit: 1 },
  usage: { wire: false, http: 400, exit: 2 },
  disconnected: { wire: false, http: 502, exit: 5 },
} as const satisfies Record<string, Meaning>;

/** Every code an error of ours can have. `failed`, `usage` and `disconnected` are the client's own. */
export type Code = keyof typeof meanings;

/** What each exit status says, for the manual; a signal's is 128 and its number. */
export const exitStatuses: Readonly<Record<0 | (typeof meanings)[Code]["exit"], string>> = {
  0: "success",
  1: "failure: an internal error, an unusable file, a bad request, or not an fstream server",
  2: "usage error: an unknown command or flag, or an invalid value",
  3: "refused: a wrong password, not allowed, or replaced by another broadcast; retrying won't help",
  4: "nothing to watch: the channel is not live",
  5: "the connection failed or was lost, or the stream was cut short; worth retrying",
  6: "refused for now: the server is full, busy or shutting down; worth retrying",
};

/** What a code means on the wire, over HTTP and as an exit status. */
export function meaning(code: Code): Meaning {
  return meanings[code];
}

/** Whether `text` is a code that a server may put into an `error` frame. */
export function isWireCode(text: string): text is Code {
  return Object.hasOwn(meanings, text) && meanings[text as Code].wire;
}

/**
 * An error that a person reads: lower case, no full stop, naming what is wrong and what would be
 * right. `hint` is the next step, where one is known; `cause` is for the log alone.
 */
export class FstreamError extends Error {
  readonly code: Code;
  readonly hint: string | undefined;

  constructor(code: Code, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "FstreamError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** A name in a message has at most so many characters. */
const maxNameLength = 64;

/** A name as messages have it: of a long one the beginning. */
export function named(name: string): string {
  return name.length <= maxNameLength ? name : `${name.slice(0, maxNameLength - 1).toWellFormed()}…`;
}

/** A channel as messages have it: "USER/CHANNEL". */
export function channelLabel(user: string, channel: string): string {
  return `${named(user)}/${named(channel)}`;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  ENOTDIR: "part of the path is not a directory",
  EISDIR: "it is a directory",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "read-only file system",
  ENOSPC: "no space left on the device",
  EIO: "input/output error",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "file name too long",
  EADDRINUSE: "the address is already in use",
  EADDRNOTAVAIL: "this machine does not have this address",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "network unreachable",
  ENOTFOUND: "no such host",
  EPIPE: "connection closed by peer",
  ETIMEDOUT: "connection timed out",
};

/** The system's reason as text, where `error` is the system's (errno(3)); undefined where it is not. */
export function systemReason(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  if (!/^E[A-Z0-9]+$/.test(error.code)) return undefined;
  // "EBUSY: resource busy or locked, unlink '/x'"
  return reasons[error.code] ?? /^E[A-Z0-9]+: ([^,]+)/.exec(error.message)?.[1] ?? error.message;
}

/** Why something failed, as text: the system's reason, else the error's own message. */
export function reasonOf(error: unknown): string {
  return systemReason(error) ?? (error instanceof Error ? error.message : String(error));
}

/** Any thrown value as an FstreamError; what is not one already is a bug or the system's: `internal`. */
export function asFstreamError(error: unknown): FstreamError {
  if (error instanceof FstreamError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new FstreamError("internal", message, { cause: error });
}
