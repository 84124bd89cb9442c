// A broadcast whose input a test feeds, on a clock that sleeping moves, and what its server does.

import { parseAddress } from "../../src/client/address.ts";
import { BroadcastClient } from "../../src/client/broadcast.ts";
import { dial } from "../../src/client/dial.ts";
import { Input } from "../../src/client/input.ts";
import { JoinRejoin, type Rejoin } from "../../src/client/rejoin.ts";
import type { Delivery } from "../../src/client/sending.ts";
import { Signal } from "../../src/client/signal.ts";
import type { Trust } from "../../src/client/trust.ts";
import { FstreamError } from "../../src/errors.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { type TestClock, testClock } from "./clock.ts";
import type { Peer } from "./standin.ts";

class CountedInput extends Input {
  takenBytes = 0;

  override take(): Uint8Array | undefined {
    const bytes = super.take();
    this.takenBytes += bytes?.length ?? 0;
    return bytes;
  }
}

/** An input that a test feeds. */
function feed() {
  const signal = new Signal();
  let given = 0;
  const state = { queue: [] as Uint8Array[], ended: false, reads: 0 };
  const reader = {
    async read(): Promise<{ done: boolean; value?: Uint8Array }> {
      state.reads++;
      while (state.queue.length === 0 && !state.ended) await signal.next();
      const value = state.queue.shift();
      return value === undefined ? { done: true } : { done: false, value };
    },
  };
  const input = new CountedInput(reader);
  return {
    input,
    reads: () => state.reads,
    give(text: string | Uint8Array) {
      const bytes = Buffer.from(text as Uint8Array);
      given += bytes.length;
      state.queue.push(bytes);
      signal.notify();
    },
    end() {
      state.ended = true;
      signal.notify();
    },
    /** Resolves when everything given was read ahead. */
    async read() {
      while (state.queue.length > 0) await Bun.sleep(1);
    },
    /** Resolves when everything given was taken, to be sent or dropped. */
    async taken() {
      while (input.takenBytes < given) await Bun.sleep(1);
    },
    /** Resolves when nothing more is taken although there is more: the server holds the client up. */
    async heldUp() {
      for (let calm = 0, last = -1; calm < 20; last = input.takenBytes) {
        calm = input.takenBytes === last && last > 0 && last < given ? calm + 1 : 0;
        await Bun.sleep(1);
      }
    },
  };
}

interface Options {
  trust?: Trust;
  retryMs?: number;
  rejoin?: Rejoin;
  fetchToken?: () => Promise<string>;
  clock?: TestClock;
  confirmMs?: number;
  closeMs?: number;
  noticeMs?: number;
}

export function broadcasting(
  address: string,
  {
    trust = { type: "system" },
    retryMs = 0,
    rejoin = new JoinRejoin(),
    fetchToken,
    clock = testClock(),
    confirmMs,
    closeMs,
    noticeMs,
  }: Options = {},
) {
  const source = feed();
  const said: string[] = [];
  const pages: string[] = [];
  const broadcaster = new BroadcastClient({
    dial: () => dial(parseAddress(address), trust),
    request: (token) =>
      encodeRequest("broadcast", [
        ["user", "fier"],
        ["token", token ?? ""],
        ["reply", "1"],
      ]),
    fetchToken,
    retryMs,
    ...(confirmMs === undefined ? {} : { confirmMs }),
    ...(closeMs === undefined ? {} : { closeMs }),
    ...(noticeMs === undefined ? {} : { noticeMs }),
    rejoin,
    input: source.input,
    clock,
    meter: undefined,
    say: (text) => said.push(text),
    page: (url) => pages.push(url),
  });
  const run = broadcaster.run();
  const hint = run.then(
    () => "",
    (error: unknown) => (error instanceof FstreamError ? error.hint : undefined) ?? "",
  );
  return { broadcaster, source, clock, said, pages, run: settled(run), hint };
}

/** The code that `promise` fails with, or "done", with what was dropped. */
export async function settled(promise: Promise<Delivery>): Promise<string> {
  return await promise.then(
    ({ confirmed, sent, dropped }) => {
      const lost = dropped > 0 ? `, ${dropped} bytes dropped` : "";
      return confirmed ? `done${lost}` : `${sent} bytes, unconfirmed${lost}`;
    },
    (error: unknown) => {
      if (error instanceof FstreamError) return error.code;
      throw error;
    },
  );
}

/** The server's part of an orderly broadcast. */
export async function takeAll(peer: Peer): Promise<void> {
  await peer.frame("ok");
  const bytes = await peer.finished;
  await peer.frame(`ok,bytes=${bytes.length}`);
  peer.fin();
}

/** Sends `bytes` again and again until the client has gone. */
export async function keepSending(peer: Peer, bytes: Uint8Array): Promise<void> {
  const state = { open: true };
  void peer.gone.then(() => {
    state.open = false;
  });
  while (state.open) {
    await peer.send(bytes);
    await Bun.sleep(0);
  }
}
