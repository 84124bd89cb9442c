// A watch against a server of a test, on a clock that sleeping moves.

import { parseAddress } from "../../src/client/address.ts";
import { dial } from "../../src/client/dial.ts";
import { Meter } from "../../src/client/meter.ts";
import { Output } from "../../src/client/output.ts";
import type { Trust } from "../../src/client/trust.ts";
import { WatchClient } from "../../src/client/watch.ts";
import type { FstreamError } from "../../src/errors.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { testClock } from "./clock.ts";
import { type Peer, type StandIn, standIn } from "./standin.ts";

interface WatchTimes {
  waitMs?: number;
  retryMs?: number;
  meter?: Meter;
  closeWhenSlow?: boolean;
  firstByteMs?: number;
  noticeMs?: number;
  trust?: Trust;
}

/** A watcher on a clock that sleeping moves, and what was seen of it. */
export function watching(server: { address: string }, options: WatchTimes = {}) {
  const {
    waitMs = 0,
    retryMs = 0,
    meter,
    closeWhenSlow = false,
    firstByteMs,
    noticeMs,
    trust = { type: "system" },
  } = options;
  const seen = { text: "", flushed: "", said: [] as string[], warned: [] as string[], waits: [] as number[] };
  const clock = testClock();
  const output = new Output({
    write: (bytes) => {
      seen.text += Buffer.from(bytes).toString();
      return 0;
    },
    flush: () => {
      seen.flushed = seen.text;
      return 0;
    },
  });
  const watcher = new WatchClient({
    channel: "fier/default",
    dial: (peer) => dial(parseAddress(server.address), trust, peer),
    request: (wait) => {
      seen.waits.push(wait);
      return encodeRequest("watch", [
        ["user", "fier"],
        ["wait", wait > 0 ? String(wait) : ""],
        ["reply", "1"],
      ]);
    },
    waitMs,
    retryMs,
    closeWhenSlow,
    ...(firstByteMs === undefined ? {} : { firstByteMs }),
    ...(noticeMs === undefined ? {} : { noticeMs }),
    output,
    clock,
    meter,
    say: (text) => seen.said.push(text),
    warn: (text) => seen.warned.push(text),
  });
  return { watcher, seen, clock };
}

/** What `promise` rejects with. */
export async function rejection(promise: Promise<void>): Promise<FstreamError> {
  return await promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: FstreamError) => error,
  );
}

/** Runs `body` against a server that runs `script`. */
export async function against(
  script: (peer: Peer) => Promise<void> | void,
  body: (server: StandIn) => Promise<void>,
) {
  await using server = standIn(script);
  await body(server);
}

/** The beginning of a stream. */
export async function stream(peer: Peer, text: string): Promise<void> {
  await peer.frame("ok");
  await peer.send(text);
}
