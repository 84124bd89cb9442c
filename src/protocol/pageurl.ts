// Where people find a channel's page: PUBLIC_URL/play/USER/CHANNEL, the names percent-encoded (RFC 3986, section 2.1). A server
// says so to broadcasters (README.md, "Replies"). Pure.

/** Longer is no such address. Bytes. */
export const maxUrlBytes = 3072;

/** The address of a channel's page, on a site whose address is `publicUrl`, without a slash at its end. */
export function pageUrl(publicUrl: string, user: string, channel: string): string {
  const names = [user, channel].map(encodeURIComponent).join("/");
  // What follows URLs takes these out of a path, encoded or not (RFC 3986, section 5.2.4).
  const isDots = channel === "." || channel === "..";
  return `${publicUrl}/play${isDots ? "?ch=" : "/"}${names}`;
}

/**
 * The address of a site or a page as people can be shown it, whatever `text` is: http or https, in ASCII without spaces, without a login in it.
 * Undefined where it is none.
 */
export function shownUrl(text: string): string | undefined {
  const url = text.length <= maxUrlBytes ? URL.parse(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "")
    return undefined;
  return /^[!-~]+$/.test(url.href) ? url.href : undefined;
}
