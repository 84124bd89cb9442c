// WaitingPlaces for watchers that wait: a number in all, a share for each network, and none for a few networks alone.

import { describe, expect, test } from "bun:test";
import { WaitingPlaces } from "../../src/access/waitingplaces.ts";
import { FstreamError } from "../../src/errors.ts";
import { opaque } from "../relay/streams.ts";
import { TestServer } from "../session/peer.ts";

/** WaitingPlaces whose holders are written down by their addresses. */
function bench(max: number) {
  const places = new WaitingPlaces({ maxWaiting: max }, (address) => address === "127.0.0.1");
  const dropped: string[] = [];
  const take = (address: string) => places.take(address, { displaced: () => dropped.push(address) });
  const refusal = (address: string) => {
    try {
      take(address);
      return "";
    } catch (error) {
      return (error as FstreamError).message;
    }
  };
  const fill = (address: string) => {
    let count = 0;
    while (refusal(address) === "") count++;
    return count;
  };
  return { places, dropped, take, refusal, fill };
}

const full = "too many watchers are already waiting";
const tooMany = "too many watchers from this address are already waiting";

describe("a place", () => {
  test("is had by an eighth of all from one address, and is had again when it was given back", () => {
    const { places, take, refusal, fill } = bench(1000);
    expect(fill("192.0.2.1")).toBe(125);
    expect(refusal("192.0.2.1")).toBe(tooMany);
    const place = take("192.0.2.2");
    expect(places.taken).toBe(126);
    place.leave();
    place.leave();
    expect(places.taken).toBe(125);
  });

  test("is had by a quarter of all from an IPv6 network, however it hops about in it", () => {
    const { places, refusal } = bench(1000);
    for (let i = 0; i < 2000; i++) refusal(`2001:db8:0:${i.toString(16)}::1`);
    expect(places.taken).toBe(250);
    expect(refusal("2001:db8:1::1")).toBe("");
  });

  test("is taken from the network that has the most when there is none left", () => {
    const { places, dropped, refusal, fill } = bench(1000);
    for (let i = 0; i < 8; i++) fill(`192.0.2.${i}`);
    expect(places.taken).toBe(1000);
    for (let i = 0; i < 100; i++) expect(refusal(`198.51.100.${i}`)).toBe("");
    expect(places.taken).toBe(1000);
    expect(dropped).toHaveLength(100);
    for (const address of dropped) expect(address).toStartWith("192.0.2.");
  });

  test("is not taken from a network that would then have less than the newcomer's", () => {
    const { dropped, refusal } = bench(16);
    for (let i = 0; i < 8; i++) for (let j = 0; j < 2; j++) expect(refusal(`192.0.2.${i}`)).toBe("");
    expect(refusal("198.51.100.1")).toBe("");
    expect(dropped).toHaveLength(1);
    // That has one as well now, and the others two.
    expect(refusal("198.51.100.1")).toBe(full);
  });

  test("on offer is given to the next of its network when that has no more, and to any when there is none left", () => {
    const { places, dropped, take, refusal, fill } = bench(16);
    const offered = take("192.0.2.1");
    fill("192.0.2.1");
    take("198.51.100.1").offer();
    offered.offer();
    expect(refusal("192.0.2.1")).toBe("");
    expect(dropped).toEqual(["192.0.2.1"]);
    expect(refusal("192.0.2.1")).toBe(tooMany);
    for (let i = 0; places.taken < 16; i++) take(`203.0.113.${i}`);
    expect(refusal("203.0.113.99")).toBe("");
    expect(dropped).toEqual(["192.0.2.1", "198.51.100.1"]);
    expect(places.taken).toBe(16);
  });

  test("is not limited for addresses that are exempt, and not taken from them", () => {
    const { places, refusal, fill } = bench(100);
    expect(fill("127.0.0.1")).toBe(100);
    expect(places.taken).toBe(100);
    expect(refusal("192.0.2.1")).toBe(full);
  });
});

describe("a watcher that waits", () => {
  const wait = { user: "fier", wait: "60", reply: "1" };

  function watch(server: TestServer, address: string, fields: Record<string, string> = {}) {
    const peer = server.connect(false, address);
    peer.request("watch", { ...wait, ...fields });
    return peer;
  }

  test("has a place until the stream begins or it goes, and one that need not wait has none", async () => {
    const server = new TestServer({ maxWaiting: 16 });
    const [first, gone] = [watch(server, "192.0.2.1"), watch(server, "192.0.2.1", { channel: "other" })];
    expect(watch(server, "192.0.2.1").words()).toStartWith("|error,code=limit");
    expect(server.waiting.taken).toBe(2);
    gone.die();
    expect(server.waiting.taken).toBe(1);
    const sender = await server.broadcast();
    sender.send(opaque(300_000));
    expect(first.take().length).toBeGreaterThan(0);
    expect(server.waiting.taken).toBe(0);
    watch(server, "192.0.2.1");
    expect(server.waiting.taken).toBe(0);
  });

  test("and has closed its socket, or sends no more, makes room for others, and waits on until then", async () => {
    const server = new TestServer({ maxWaiting: 16 });
    const gone = [watch(server, "192.0.2.1"), watch(server, "192.0.2.1")];
    expect(watch(server, "192.0.2.1").words()).toStartWith("|error,code=limit");
    for (const peer of gone) peer.fin();
    const next = watch(server, "192.0.2.1");
    expect(gone.map(({ ends }) => ends.length > 0)).toEqual([true, false]);
    const sender = await server.broadcast();
    sender.send(opaque(300_000));
    expect(next.take().length).toBeGreaterThan(300_000);
    expect(gone[1].take().length).toBeGreaterThan(300_000);
    expect(server.waiting.taken).toBe(0);
  });

  test("in vain gives its place back", () => {
    const server = new TestServer();
    const peer = watch(server, "192.0.2.1", { wait: "5" });
    server.rig.clock.advance(6000);
    expect(peer.words()).toStartWith("|error,code=not_live");
    expect(server.waiting.taken).toBe(0);
  });

  test("hears it when its place is given to another", () => {
    const server = new TestServer({ maxWaiting: 16 });
    const many = Array.from({ length: 16 }, (_, index) => watch(server, `192.0.2.${index % 8}`));
    const late = watch(server, "198.51.100.1");
    expect(late.take().length).toBe(0);
    expect(late.ends).toEqual([]);
    const dropped = many.filter((peer) => peer.ends.length > 0);
    expect(dropped).toHaveLength(1);
    expect(dropped[0].words()).toStartWith("|error,code=limit,message*=its place was needed");
    expect([...server.rig.relay.channels][0].watchers).toBe(16);
    expect(server.waiting.taken).toBe(16);
  });
});
