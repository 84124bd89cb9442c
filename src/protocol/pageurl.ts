// The address of a channel's page: PUBLIC_URL/play/USER/CHANNEL, the names percent-encoded (RFC 3986, section 2.1). A server
// sends it to broadcasters (README.md, "Replies"). Pure.

/** Maximum length of an address. Bytes. */
export const maxUrlBytes = 3072;

/** The address of a channel's page on the site at `publicUrl`, which has no trailing slash. */
export function pageUrl(publicUrl: string, user: string, channel: string): string {
  const names = [user, channel].map(encodeURIComponent).join("/");
  // What follows URLs takes these out of a path, encoded or not (RFC 3986, section 5.2.4).
  const isDots = channel === "." || channel === "..";
  return `${publicUrl}/play${isDots ? "?ch=" : "/"}${names}`;
}

/**
 * The address of a site or page, safe to show whatever `text` is: http or https, in ASCII without spaces and without a login.
 * Undefined if `text` is not an address.
 */
export function shownUrl(text: string): string | undefined {
  const url = text.length <= maxUrlBytes ? URL.parse(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "")
    return undefined;
  return /^[!-~]+$/.test(url.href) ? url.href : undefined;
}
