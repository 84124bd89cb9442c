// Decides who is let in: one interface, and a sister file for each kind (folderauthenticator.ts reads the users folder,
// outsideauthenticator.ts asks an operator's module, program or service). Whatever the kind, a refusal is an FstreamError
// `unauthorized` that does not tell whether it was the name or the password, and a failure to ask is `busy` or `internal`,
// never a yes.

import type { AuthRequest } from "./authtypes.ts";

export type { AuthRequest } from "./authtypes.ts";

/** What may be done after a right login. */
export interface Grant {
  /** Who logged in: the user, or the watcher; "" for a watcher without a name. */
  readonly user: string;
  /** Names of channels the user may broadcast to, `*` standing for any run of characters; undefined: all. */
  readonly channels: readonly string[] | undefined;
  /** Patterns of what a watcher may watch, USER/CHANNEL; undefined: all. */
  readonly mayWatch?: readonly string[] | undefined;
  /** When what begins with this grant is to end, on the clock of `performance.now()`; undefined: never. */
  readonly endsMs?: number;
  /** In place of the settings `max_bitrate` and `max_watchers_per_channel`; 0: no limit; undefined: as those say. */
  readonly maxBitrate?: number;
  readonly maxWatchers?: number;
}

export interface Authenticator {
  /** Whether nobody is let in without a password. */
  readonly needsPassword: boolean;
  /** The grant for who may do what is asked for; rejects with FstreamError `unauthorized`, `forbidden`, `busy` or `internal`. */
  authenticate(request: AuthRequest): Promise<Grant>;
  /**
   * Why `user`, who broadcasts on `channel`, may do so no longer, in words; undefined: nothing has changed that. Left out: that can't be
   * known without a login.
   */
  revocation?(user: string, channel: string): Promise<string | undefined>;
  /** Takes up anew what it is made of, where it keeps any. Rejects with FstreamError if that can't be used; it goes on as it was. */
  reload?(): Promise<void>;
  /** It is needed no longer. */
  stop?(): void;
}

/** Who logs in with a request: the watcher for one that watches, else the user. Undefined: one without a name. */
export function loginOf({ action, user, watcher }: AuthRequest): string | undefined {
  return action === "watch" ? watcher : user;
}

/** Whether `grant` covers `channel`. */
export function mayBroadcast(grant: Pick<Grant, "channels">, channel: string): boolean {
  return matchesAny(grant.channels, channel);
}

/** Whether `grant`, of a watcher, covers the channel of that user. */
export function mayWatch(grant: Grant, user: string, channel: string): boolean {
  return matchesAny(grant.mayWatch, `${user}/${channel}`);
}

/** Whether one of the patterns stands for `name`: of the whole name, `*` for any run of characters. Without patterns all do. */
export function matchesAny(patterns: readonly string[] | undefined, name: string): boolean {
  return patterns === undefined || patterns.some((pattern) => matches(pattern, name));
}
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*");
  const first = parts[0];
  if (parts.length === 1) return name === pattern;
  const last = parts[parts.length - 1];
  if (name.length < first.length + last.length) return false;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let from = first.length;
  const end = name.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}
