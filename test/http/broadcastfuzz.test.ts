// Uploads of all kinds, in whatever pieces, with whatever happening in between: each connection is answered once and ends, each
// byte that is relayed is the stream's, and nothing is left behind.

import { expect, setDefaultTimeout, test } from "bun:test";
import { dice, pieces } from "../protocol/dice.ts";
import { opaque } from "../relay/streams.ts";
import { type FakePeer, settled } from "../session/peer.ts";
import { answerOf, basic, chunk, HttpTestServer, head } from "./requesting.ts";

// On a machine that does much else.
setDefaultTimeout(60_000);

type Roll = (below: number) => number;

const login = basic("fier:123");

/** An upload of `opaque` from `first` on: the head's line and fields, and the body. */
function upload(roll: Roll): { line: string; fields: string[]; body: Buffer } {
  const size = [0, 1, 500, 9000, 300_000][roll(5)];
  const first = [0, 0, 500, 9000][roll(4)];
  const bytes = Buffer.from(opaque(size, first));
  const range = first > 0 && size > 0 ? [`Content-Range: bytes ${first}-${first + size - 1}/*`] : [];
  const expects = roll(3) === 0 ? ["Expect: 100-continue"] : [];
  const fields = [login, ...range, ...expects];
  const line = `${["PUT", "POST", "SOURCE"][roll(3)]} /broadcast/fier/default`;
  switch (roll(4)) {
    case 0:
      return { line, fields: [...fields, `Content-Length: ${size}`], body: bytes };
    case 1: {
      const at = roll(size + 1);
      const parts = [bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0);
      const body = Buffer.concat([...parts.map(chunk), chunk()]);
      return { line, fields: [...fields, "Transfer-Encoding: chunked"], body };
    }
    case 2:
      return { line: `${line} HTTP/1.0`, fields, body: bytes };
    default:
      return { line, fields, body: bytes };
  }
}

/** Sends an upload piece by piece, with something else happening now and again. */
async function play(server: HttpTestServer, roll: Roll, others: FakePeer[]): Promise<FakePeer> {
  const { line, fields, body } = upload(roll);
  const peer = server.dial();
  peer.send(head(line, fields), body.subarray(0, 0));
  if (roll(4) > 0) await settled();
  for (const piece of pieces(new Uint8Array(body), roll)) {
    if (piece.length > 150_000 && roll(2) === 0) {
      peer.flood = piece.slice(140_000);
      peer.send(piece.subarray(0, 140_000));
      server.rig.clock.advance(0);
      const left = peer.flood;
      peer.flood = new Uint8Array(0);
      peer.send(left);
    } else {
      peer.send(piece);
    }
    const happens = roll(60);
    if (happens < 20) await settled();
    else if (happens < 24) server.rig.clock.advance(roll(12_000));
    else if (happens === 24) peer.die();
    else if (happens === 25) peer.fin();
    else if (happens === 26) others.push(await server.broadcast());
    else if (happens === 27) peer.session.stop();
    else if (happens === 28) peer.send("?");
  }
  await settled();
  if (roll(3) > 0) peer.fin();
  return peer;
}

test("uploads leave nothing behind, whatever happens", async () => {
  const statuses = new Set<number>();
  for (let seed = 0; seed < 120; seed++) {
    const roll = dice(seed);
    const limits = [{}, { maxBitrate: 100_000 }, { takeover: false }][roll(3)];
    const server = new HttpTestServer(
      {},
      { backlogBytes: 2 ** 20, maxBacklogTotalBytes: 2 ** 24, ...limits },
    );
    const watcher = server.rig.watch({ waitMs: 60_000 });
    const peers: FakePeer[] = [];
    const others: FakePeer[] = [];
    for (let rounds = 1 + roll(3); rounds > 0; rounds--) peers.push(await play(server, roll, others));
    for (const peer of peers) {
      const text = Buffer.from(peer.take()).toString("latin1");
      const answers = [...text.matchAll(/HTTP\/1\.[01] (\d+) /g)].map(([, status]) => Number(status));
      expect([seed, answers.filter((status) => status !== 100).length <= 1]).toEqual([seed, true]);
      for (const status of answers) statuses.add(status);
      peer.die();
    }
    for (const other of others) other.die();
    expect([seed, server.rig.failures]).toEqual([seed, []]);
    server.rig.clock.advance(120_000);
    expect([seed, watcher.ending !== "", server.rig.channels, server.rig.clock.pending]).toEqual([
      seed,
      true,
      0,
      0,
    ]);
  }
  expect([...statuses].toSorted((a, b) => a - b)).toEqual([100, 200, 400, 409, 429, 503]);
  expect(answerOf(await new HttpTestServer().request("PUT /broadcast/fier", [])).status).toBe(401);
});
