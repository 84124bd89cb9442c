// A client's frames as the server's decoder reports them, for the tests.

import { FrameDecoder } from "../../src/http/frames.ts";
import { joined } from "./clientframes.ts";

/** A text message has at most so many bytes. */
export const maxTextBytes = 4096;

/** What a decoder reports, with the pieces of binary messages joined. */
export interface Heard {
  stream: Uint8Array;
  events: string[];
}

/** Feeds all of the bytes, however many feeds that takes. */
export function feedAll(decoder: FrameDecoder, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += decoder.feed(bytes.subarray(at));
}

export function decode(parts: readonly Uint8Array[]): Heard {
  const stream: Uint8Array[] = [];
  const events: string[] = [];
  const decoder = new FrameDecoder(maxTextBytes, {
    binary: (bytes) => stream.push(bytes.slice()),
    text: (message) => events.push(`text ${message}`),
    ping: (payload) => events.push(`ping ${Buffer.from(payload).toString("hex")}`),
    pong: () => {},
    close: (code) => events.push(`close ${code}`),
    broken: (code, reason) => events.push(`broken ${code} ${reason}`),
  });
  for (const part of parts) feedAll(decoder, part.slice());
  return { stream: joined(...stream), events };
}
