// Decides whether a login is right: one interface, and a sister file for each kind (folderauthenticator.ts reads the users
// folder). Whatever the kind, a refusal is an FstreamError `unauthorized` that does not tell whether it was the
// name or the password, and a failure to ask is `busy` or `internal`, never a yes.

/** What a client claims. Names and passwords are as they came, at most the request's size long. */
export interface Login {
  readonly user: string;
  readonly password: string;
  /** The peer's IP address as text, IPv4-mapped IPv6 already as IPv4. */
  readonly address: string;
}

/** What a user may do after a right login. */
export interface Grant {
  readonly user: string;
  /** Names of channels the user may broadcast to, `*` standing for any run of characters; undefined: all. */
  readonly channels: readonly string[] | undefined;
}

export interface Authenticator {
  /** The grant for a right login; rejects with FstreamError `unauthorized`, `busy` or `internal`. */
  authenticate(login: Login): Promise<Grant>;
}

/** Whether `grant` covers `channel`: whole-name matches, where `*` stands for any run of characters. */
export function mayBroadcast(grant: Grant, channel: string): boolean {
  return grant.channels === undefined || grant.channels.some((pattern) => matches(pattern, channel));
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
