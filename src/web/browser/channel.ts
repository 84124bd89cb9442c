// A channel's name and its addresses here. USER and CHANNEL are percent-encoded in a path, so that a slash in a channel's
// name is %2F; without CHANNEL it is `default`. Pure.

/** Whose, and which. */
export interface ChannelName {
  readonly user: string;
  readonly channel: string;
}

/** How many players a wall may have: each decodes a stream. */
export const maxWallPlayers = 64;

/** As `user/channel`. */
export function titleOf({ user, channel }: ChannelName): string {
  return `${user}/${channel}`;
}

/** The path of something about a channel: `watch`, `play`, `broadcast`, `api/channels`. */
export function pathOf(what: string, { user, channel }: ChannelName): string {
  return `/${what}/${encodeURIComponent(user)}/${encodeURIComponent(channel)}`;
}

/** A wall of players. */
export function wallPathOf(channels: readonly ChannelName[]): string {
  const names = channels.map(
    ({ user, channel }) => `ch=${encodeURIComponent(user)}/${encodeURIComponent(channel)}`,
  );
  return `/play?${names.join("&")}`;
}

/** The channel that a page at `/WHAT/USER/CHANNEL` is about; undefined if the path makes no sense. */
export function channelOfPath(pathname: string): ChannelName | undefined {
  const [, , ...names] = pathname.split("/");
  return parse(names);
}

/** The channels of a wall's query, `ch=USER/CHANNEL` each; those that make no sense are left out. */
export function channelsOfQuery(search: string): ChannelName[] {
  // Not by URLSearchParams: what is encoded in a name must stay so until the name is cut at its slash.
  const values = search
    .replace(/^\?/, "")
    .split("&")
    .filter((pair) => pair.startsWith("ch="));
  return values
    .map((pair) => parse(pair.slice(3).replaceAll("+", " ").replaceAll(/%2f/gi, "/").split("/")))
    .filter((name) => name !== undefined)
    .slice(0, maxWallPlayers);
}

/** From what is typed: `user/channel`, or `user` alone. */
export function channelOfText(text: string): ChannelName | undefined {
  const [user, ...rest] = text.trim().split("/");
  return user === "" ? undefined : { user, channel: rest.join("/") || "default" };
}

function parse(names: readonly string[]): ChannelName | undefined {
  try {
    // A slash that was not encoded belongs to the channel's name too, as far as anyone can tell.
    const [user, ...channel] = names.map(decodeURIComponent);
    // No server takes control characters, and a command that is copied with a line feed in it runs what follows.
    return user && !/\p{Cc}/u.test(user + channel.join())
      ? { user, channel: channel.join("/") || "default" }
      : undefined;
  } catch {
    return undefined;
  }
}
