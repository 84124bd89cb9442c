// Streams fed as fast as readers take them, watchers that take nothing, and what they got in the end.

import { type Peer, type TestServer, until } from "./program.ts";

interface Reader {
  /** How many bytes have come. */
  readonly length: number;
}

/** Sends all of `bytes` no faster than the readers take them, so that none is ever far behind. */
export async function feed(broadcaster: Peer, bytes: Uint8Array, ...readers: Reader[]): Promise<void> {
  const before = readers.map(({ length }) => length);
  const came = (count: number) => readers.every(({ length }, index) => length - before[index] >= count);
  const step = 131_072;
  for (let from = 0; from < bytes.length; from += step) {
    broadcaster.send(bytes.subarray(from, from + step));
    if (!came(from - 2 * step)) await until("the readers keep up", () => came(from - 2 * step));
  }
  await until("all of it comes", () => came(bytes.length));
}

/** A watcher that asks for replies and takes nothing from the first byte on. */
export async function pausedWatcher(
  server: TestServer,
  channel: string,
  more = "",
  listener: "tcp" | "tls" = "tcp",
): Promise<Peer> {
  const peer = await server.dial(listener);
  peer.request(`watch,user=fier,channel=${channel},reply=1,wait=60${more}`);
  await server.watched(`fier/${channel}`, 1);
  peer.pause();
  return peer;
}

/** Where in `whole` a watcher that got `got` stopped, and where it went on to the end. */
export function skip(got: Uint8Array, whole: Uint8Array): { stoppedAt: number; resumedAt: number } {
  let stoppedAt = 0;
  while (stoppedAt < got.length && got[stoppedAt] === whole[stoppedAt]) stoppedAt++;
  const rest = got.subarray(stoppedAt);
  const resumedAt = whole.length - rest.length;
  if (Buffer.compare(rest, whole.subarray(resumedAt)) !== 0)
    throw new Error("what came is not of the stream");
  return { stoppedAt, resumedAt };
}
