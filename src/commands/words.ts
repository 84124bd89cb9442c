// Words for people go to stderr, read or unread: they are handed to the runtime, which writes what the reader takes.
// A write that waits for it would hold up the stream, the timers and the signals as well. More than `maxUnreadBytes`
// are not kept for a reader that has stopped: what is said then is lost.

/** Bytes that may wait for a reader. */
const maxUnreadBytes = 64 * 1024;

let unreadBytes = 0;
let whenRead: (() => void) | undefined;
let listening = false;

/** Says `text` on stderr, as it is. */
export function say(text: string): void {
  const { length } = new TextEncoder().encode(text);
  if (unreadBytes > 0 && unreadBytes + length > maxUnreadBytes) return;
  unreadBytes += length;
  // A reader that has gone is no reason to stop.
  if (!listening) process.stderr.on("error", () => {});
  listening = true;
  process.stderr.write(text, () => {
    unreadBytes -= length;
    if (unreadBytes === 0) whenRead?.();
  });
}

/** Resolves when all that was said is out, or after `limitMs`: to be awaited before the process ends. */
export async function said(limitMs: number): Promise<void> {
  if (unreadBytes === 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  whenRead = resolve;
  await Promise.race([promise, Bun.sleep(limitMs)]);
}
