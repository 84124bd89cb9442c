// What a channel goes by among all channels.

/** Of the channel `name` of `user`. Names have no control characters in them. */
export function channelKey(user: string, name: string): string {
  return `${user}\n${name}`;
}
