// What is written last on a connection, however little of it the peer takes at a time.

import { expect, test } from "bun:test";
import { Acknowledgements } from "../../src/session/acknowledgements.ts";
import { ClosingStage, type FinalBytes } from "../../src/session/closing.ts";
import { FakeClock } from "../relay/clock.ts";
import { FakePeer } from "./peer.ts";

/** A peer whose connection ends with these bytes. */
function closing(finalBytes: FinalBytes, room: number): FakePeer {
  const clock = new FakeClock();
  const services = { clock, acknowledgements: new Acknowledgements(clock) };
  let stage: ClosingStage | undefined;
  const peer = new FakePeer(false, "192.0.2.1", (connection) => {
    stage = new ClosingStage(connection, services, finalBytes, "fin", 1000);
    return stage;
  });
  peer.room = room;
  stage?.begin();
  return peer;
}

const pieces = [Buffer.from("head"), new Uint8Array(0), Buffer.from("body of it"), Buffer.from("!")];

test.each([
  ["one buffer", Buffer.concat(pieces)],
  ["several", pieces],
] as const)("%s is written whole and in order before the FIN, also byte by byte", (_, finalBytes) => {
  const peer = closing(finalBytes, 0);
  for (let i = 1; i <= "headbody of it!".length; i++) {
    expect(peer.ends).toEqual([]);
    peer.room = 1;
    peer.session.drained();
    expect(Buffer.from(peer.take()).toString()).toBe("headbody of it!"[i - 1]);
  }
  expect(peer.ends).toEqual(["fin"]);
});

test("nothing at all is a FIN at once", () => {
  expect(closing([], 0).ends).toEqual(["fin"]);
  expect(closing(new Uint8Array(0), 0).ends).toEqual(["fin"]);
});
