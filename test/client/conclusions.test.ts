// What a client concludes from what came and how the connection ended: each row of that table of the specification
// (src/protocol/README.md, "What a client concludes"), with the exit status that it says.

import { expect, setDefaultTimeout, test } from "bun:test";
import { parseAddress } from "../../src/client/address.ts";
import { dial } from "../../src/client/dial.ts";
import { Output } from "../../src/client/output.ts";
import { fetchToken } from "../../src/client/token.ts";
import type { Trust } from "../../src/client/trust.ts";
import { WatchClient } from "../../src/client/watch.ts";
import { type Code, FstreamError, meaning } from "../../src/errors.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { certificates } from "../certificates.ts";
import { broadcasting, takeAll } from "./broadcasting.ts";
import { testClock } from "./clock.ts";
import { frameBytes, type Peer, standIn } from "./standin.ts";

setDefaultTimeout(60_000);

interface Options {
  readonly lagClose?: boolean;
  readonly tls?: boolean;
  /** Whether the client waits for the server, however long that takes. */
  readonly patient?: boolean;
}

type Row = readonly [
  name: string,
  exit: number,
  script: (peer: Peer) => Promise<void> | void,
  options?: Options,
];

const trust: Trust = { type: "insecure" };

/** Runs `client` against a server that does what `script` says; gives the exit status that comes of it. */
async function exitOf(
  client: (address: string, options: Options) => Promise<unknown>,
  script: Row[2],
  options: Options = {},
): Promise<number> {
  const { tls = false } = options;
  await using server = standIn(script, tls ? { tls: certificates.loopback } : {});
  try {
    await client(tls ? `fstreams://${server.address}` : server.address, options);
    return 0;
  } catch (error) {
    if (error instanceof FstreamError) return meaning(error.code).exit;
    throw error;
  }
}

const watch =
  (options: Options = {}) =>
  (address: string) =>
    new WatchClient({
      channel: "fier/default",
      dial: (peer) => dial(parseAddress(address), trust, peer),
      request: () =>
        encodeRequest("watch", [
          ["user", "fier"],
          ["reply", "1"],
        ]),
      waitMs: 0,
      retryMs: 0,
      closeWhenSlow: options.lagClose === true,
      output: new Output({ write: () => 0, flush: () => 0 }),
      clock: testClock(),
      meter: undefined,
      say: () => {},
      warn: () => {},
    }).run();

/** Sends six bytes with an id, and answers the question how they ended with `answer` (with nothing, if it is empty). */
const withId = (answer: string) => async (peer: Peer) => {
  if (peer.text.startsWith("end,")) {
    if (answer !== "") await peer.frame(answer);
  } else {
    await peer.frame("ok,id=abc");
    await peer.send("stream");
  }
  peer.fin();
};

const after = (frames: readonly string[], bytes: string, end: "fin" | "reset") => async (peer: Peer) => {
  for (const text of frames) await peer.frame(text);
  if (bytes !== "") await peer.send(bytes);
  await peer.delivered();
  if (end === "fin") peer.fin();
  else peer.reset();
};

const watches: readonly Row[] = [
  ["an error frame", 3, after(["error,code=forbidden,message*=no"], "", "fin")],
  ["an id, and a whole stream", 0, withId("ok,bytes=6,skipped=0,reason=ended")],
  ["an id, and a stream that was skipped", 0, withId("ok,bytes=6,skipped=5,reason=ended")],
  ["the same with lag=close", 5, withId("ok,bytes=6,skipped=5,reason=ended"), { lagClose: true }],
  ["an id, and another N", 5, withId("ok,bytes=7,skipped=0,reason=ended")],
  ["an id, and another reason", 5, withId("ok,bytes=6,skipped=0,reason=slow")],
  ["an id, and an answer that makes no sense", 5, withId("ok,bytes=many,skipped=0,reason=ended")],
  ["an id, and an error for an answer", 5, withId("error,code=not_live")],
  ["an id, and no answer", 5, withId("")],
  ["ok without an id, and a FIN", 0, after(["ok"], "stream", "fin")],
  ["ok without an id, and a FIN over TLS", 0, after(["ok"], "stream", "fin"), { tls: true }],
  ["ok without an id, and a reset", 5, after(["ok"], "stream", "reset")],
  ["no frame, and a FIN", 0, after([], "stream", "fin")],
  ["no frame, and a reset", 5, after([], "stream", "reset")],
  ["another protocol's greeting, and a FIN", 1, after([], "220 mail.example ESMTP\r\n", "fin")],
  ["another protocol's greeting, and a reset", 1, after([], "+OK ready\r\n", "reset")],
  ["nothing, and a FIN", 4, after([], "", "fin")],
  ["nothing, and a reset", 4, after([], "", "reset")],
  ["nothing over TLS", 5, after([], "", "fin"), { tls: true }],
];

for (const [name, exit, script, options] of watches) {
  test(`watch: ${name} (exit ${exit})`, async () => {
    expect(await exitOf(watch(options), script, options)).toBe(exit);
  });
}

/** A broadcast of six bytes. */
async function broadcast(address: string, { patient = false }: Options): Promise<void> {
  const clock = testClock();
  if (patient) clock.sleep = () => new Promise(() => {});
  const { source, run } = broadcasting(address, { trust, clock });
  source.give("stream");
  source.end();
  const outcome = await run;
  if (outcome !== "done" && outcome !== "6 bytes, unconfirmed") throw new FstreamError(outcome as Code, "");
}

/** Does `then` once the client's FIN has come. */
const onceFinished = (then: (peer: Peer) => Promise<void> | void) => async (peer: Peer) => {
  await peer.finished;
  await then(peer);
};

/** Confirms the end with the first reply, in one piece, so that the client has both before its FIN. */
async function confirmedTooSoon(peer: Peer): Promise<void> {
  await peer.send(Buffer.concat([frameBytes("ok"), frameBytes("ok,bytes=6")]));
  await peer.delivered();
  peer.fin();
}

const broadcasts: readonly Row[] = [
  ["an error frame", 3, after(["error,code=unauthorized,message*=no"], "", "fin")],
  ["bytes=N after the FIN", 0, takeAll],
  ["another N", 5, onceFinished(after(["ok", "ok,bytes=5"], "", "fin"))],
  ["bytes=N before the FIN", 1, confirmedTooSoon, { patient: true }],
  ["ok, and no bytes", 5, onceFinished(after(["ok"], "", "fin"))],
  ["ok, and bytes that are no number", 5, onceFinished(after(["ok", "ok,bytes=many"], "", "fin"))],
  ["another protocol's greeting, and a FIN", 1, onceFinished(after([], "220 mail.example ESMTP\r\n", "fin"))],
  ["bytes that are no frame, and a FIN", 1, onceFinished(after([], "stream", "fin"))],
  ["half a frame", 5, onceFinished(after([], "\0\0\0", "fin"))],
  ["nothing, and a FIN after the client's", 0, onceFinished((peer) => peer.fin())],
  ["the same over TLS", 5, onceFinished((peer) => peer.fin()), { tls: true }],
  ["nothing, and a FIN before the client's", 5, (peer) => peer.fin(), { patient: true }],
  ["nothing, and a reset", 5, (peer) => peer.reset()],
];

for (const [name, exit, script, options] of broadcasts) {
  test(`broadcast: ${name} (exit ${exit})`, async () => {
    expect(await exitOf(broadcast, script, options)).toBe(exit);
  });
}

const token = (address: string) =>
  fetchToken(parseAddress(address), trust, { user: "fier", password: "123" });

const tokens: readonly Row[] = [
  ["an error frame", 3, after(["error,code=unauthorized,message*=no"], "", "fin")],
  ["ok,token=TOKEN", 0, after(["ok,token=abc,expires=120"], "", "fin")],
  ["the bare token, and a FIN", 0, after([], "abcdef", "fin")],
  ["bytes that can't be a token", 1, after([], "abc def", "fin")],
  ["nothing", 5, after([], "", "fin")],
  ["bytes, and a reset", 5, after([], "abcdef", "reset")],
];

for (const [name, exit, script, options] of tokens) {
  test(`token: ${name} (exit ${exit})`, async () => {
    expect(await exitOf(token, script, options)).toBe(exit);
  });
}
