// Where a watcher begins and goes on, as plain decisions over cut points made up for each case.

import { describe, expect, test } from "bun:test";
import type { Header } from "../../src/media/detector.ts";
import { ChunkCutPoints } from "../../src/relay/chunkcutpoints.ts";
import type { CutPoints } from "../../src/relay/cutpoints.ts";
import {
  type BroadcastWindow,
  firstPlace,
  latePlace,
  nextPlace,
  type Place,
} from "../../src/relay/joinchoice.ts";
import type { Join } from "../../src/relay/joins.ts";
import { Patches } from "../../src/relay/patches.ts";

const header: Header = {
  start: Uint8Array.of(1),
  resume: Uint8Array.of(2),
  fixed: "",
  bytes: 2,
};

/** CutPoints with join points at these offsets, or of another kind without any. */
function cutPointsOf(kind: CutPoints["kind"], joins: readonly number[] = []): CutPoints {
  const join = (offset: number | undefined): Join | undefined =>
    kind === "opaque" ? undefined : offset === undefined ? undefined : { offset, header };
  return {
    kind,
    firstJoin: joins[0],
    header,
    info: { container: "", mediaType: "", codecs: [], damaged: 0 },
    feed: () => {},
    forget: () => {},
    finishDetection: () => {},
    giveUp: () => {},
    conclude: () => {},
    heldBytes: 0,
    isUnknown: false,
    container: "",
    fixedAt: () => header.fixed,
    newestJoin: (head) => (kind === "opaque" ? { offset: head, header } : join(joins.at(-1))),
    joinAtOrAfter: (offset) =>
      kind === "opaque" ? { offset, header } : join(joins.find((at) => at >= offset)),
    joinAtOrBefore: (offset) =>
      kind === "opaque" ? { offset, header } : join(joins.findLast((at) => at <= offset)),
    unitEnd: () => undefined,
    unitEndBefore: () => undefined,
    padding: () => [header.resume],
    joinDistance: 0,
    patches: new Patches(),
    unpatchedFrom: Number.POSITIVE_INFINITY,
  };
}

function windowOf(cutPoints: CutPoints, tail: number, head: number, start = 0): BroadcastWindow {
  const broadcaster = { channelPassword: "", bufsize: 0, dismissed: () => {} };
  const broadcast = { broadcaster, start, cutPoints, watchers: 0 };
  return { broadcast, tail, head };
}

/** The offset of a place, or "wait". */
function at(place: Place): number | "wait" {
  return place.type === "wait" ? "wait" : place.offset;
}

const never = () => {
  throw new Error("the time was asked for");
};

describe("a joiner", () => {
  const window = windowOf(cutPointsOf("marked", [100, 300, 500]), 200, 600);

  test("with start=join begins at the newest join point, with its header", () => {
    expect(firstPlace({ type: "join" }, window, 600, never)).toEqual({ type: "at", offset: 500, header });
  });

  test("with start=next waits for the first one after it came", () => {
    expect(at(firstPlace({ type: "next" }, window, 600, never))).toBe("wait");
    expect(at(firstPlace({ type: "next" }, window, 301, never))).toBe(500);
    expect(at(firstPlace({ type: "next" }, window, 500, never))).toBe(500);
  });

  test("with start=live begins at the newest byte", () => {
    expect(firstPlace({ type: "live" }, window, 600, never)).toEqual({ type: "at", offset: 600, header });
  });

  test("with start=DURATION begins at the join point at least that far back, as far as the backlog goes", () => {
    const cases = [
      [550, 500],
      [500, 500],
      [499, 300],
      [300, 300],
      // 100 has left the ring.
      [250, 300],
      [0, 300],
    ];
    for (const [ago, offset] of cases) {
      expect(at(firstPlace({ type: "back", ms: 5 }, window, 600, () => ago))).toBe(offset);
    }
  });

  test("begins no further back than it is allowed, and waits where that leaves no join point", () => {
    const back = (allowed: number) => at(firstPlace({ type: "back", ms: 5 }, window, 600, () => 0, allowed));
    const join = (allowed: number) => at(firstPlace({ type: "join" }, window, 600, never, allowed));
    expect([300, 299, 100, 99, 0].map(back)).toEqual([300, 500, 500, "wait", "wait"]);
    expect([300, 100, 99, 0].map(join)).toEqual([500, 500, "wait", "wait"]);
    expect(at(firstPlace({ type: "live" }, window, 600, never, 0))).toBe(600);
    const raw = windowOf(cutPointsOf("opaque"), 0, 600);
    expect(at(firstPlace({ type: "back", ms: 5 }, raw, 600, () => 0, 40))).toBe(560);
    // What it is may only be known with its first byte.
    const unknown = windowOf(cutPointsOf("sniffing"), 0, 600, 400);
    expect(at(firstPlace({ type: "join" }, unknown, 600, never, 0))).toBe(400);
  });

  test("waits while the newest join point is not in the ring", () => {
    const short = windowOf(cutPointsOf("marked", [100]), 200, 600);
    expect(at(firstPlace({ type: "join" }, short, 600, never))).toBe("wait");
    expect(at(firstPlace({ type: "back", ms: 5 }, short, 600, () => 150))).toBe("wait");
  });

  test("is not placed at a join point that has yet to come", () => {
    const early = windowOf(cutPointsOf("marked", [700]), 200, 600);
    expect(at(firstPlace({ type: "join" }, early, 600, never))).toBe("wait");
    expect(at(firstPlace({ type: "next" }, early, 600, never))).toBe("wait");
  });

  test("never begins before the current broadcast", () => {
    const later = windowOf(cutPointsOf("marked", [100, 300, 500]), 0, 600, 400);
    expect(at(firstPlace({ type: "back", ms: 5 }, later, 600, () => 0))).toBe(500);
    const raw = windowOf(cutPointsOf("opaque"), 0, 600, 400);
    expect(at(firstPlace({ type: "back", ms: 5 }, raw, 600, () => 0))).toBe(400);
    expect(at(firstPlace({ type: "next" }, later, 0, never))).toBe(500);
  });

  test("gets what is not known yet from its first byte, without a header", () => {
    const unknown = windowOf(cutPointsOf("sniffing"), 0, 600, 400);
    for (const type of ["join", "next"] as const) {
      const place = firstPlace({ type }, unknown, 600, never);
      expect(at(place)).toBe(400);
      expect(place.type === "at" && place.header.start.length).toBe(0);
    }
    expect(at(firstPlace({ type: "back", ms: 5 }, unknown, 600, () => 550))).toBe(400);
  });

  test("of an opaque stream begins at the newest byte, or at the one that came that long ago", () => {
    const raw = windowOf(cutPointsOf("opaque"), 200, 600);
    expect(at(firstPlace({ type: "join" }, raw, 600, never))).toBe(600);
    expect(at(firstPlace({ type: "next" }, raw, 555, never))).toBe(555);
    expect(at(firstPlace({ type: "back", ms: 5 }, raw, 600, () => 432))).toBe(432);
    expect(at(firstPlace({ type: "back", ms: 5 }, raw, 600, () => 0))).toBe(200);
  });

  test("of chunks begins with a chunk", () => {
    const chunks = windowOf(new ChunkCutPoints(400, 70), 450, 600, 400);
    expect(at(firstPlace({ type: "join" }, chunks, 600, never))).toBe(540);
    expect(at(firstPlace({ type: "next" }, chunks, 541, never))).toBe("wait");
    expect(at(firstPlace({ type: "next" }, chunks, 540, never))).toBe(540);
    expect(at(firstPlace({ type: "back", ms: 5 }, chunks, 600, () => 500))).toBe(470);
    expect(at(firstPlace({ type: "back", ms: 5 }, chunks, 600, () => 0))).toBe(470);
  });

  test("without a join point in time gets the header and the newest byte", () => {
    expect(latePlace(window, false)).toEqual({ type: "at", offset: 600, header });
    expect(latePlace(window, true)).toEqual({ type: "at", offset: 600, header });
  });

  test("of a stream that is not known in time gets it from its first byte, unless it comes from a container", () => {
    const unknown = windowOf(cutPointsOf("sniffing"), 0, 600, 400);
    expect(at(latePlace(unknown, false))).toBe(400);
    expect(at(latePlace(unknown, true))).toBe("wait");
  });

  test("never begins in the middle of a chunk", () => {
    expect(at(latePlace(windowOf(new ChunkCutPoints(400, 70), 0, 600, 400), false))).toBe("wait");
  });
});

describe("a watcher that stopped", () => {
  const other = windowOf(cutPointsOf("marked"), 0, 400).broadcast;

  test("goes on at the newest join point ahead of it", () => {
    const window = windowOf(cutPointsOf("marked", [300, 500]), 200, 600);
    expect(at(nextPlace(window, { broadcast: window.broadcast, cursor: 310 }))).toBe(500);
    expect(at(nextPlace(window, { broadcast: window.broadcast, cursor: 500 }))).toBe(500);
  });

  test("never goes back: it waits for the next one", () => {
    const window = windowOf(cutPointsOf("marked", [300, 500]), 200, 600);
    expect(at(nextPlace(window, { broadcast: window.broadcast, cursor: 501 }))).toBe("wait");
  });

  test("comes from an earlier broadcast to the first join point of this one", () => {
    const window = windowOf(cutPointsOf("marked", [430, 500]), 200, 600, 400);
    expect(at(nextPlace(window, { broadcast: other, cursor: 400 }))).toBe(430);
    expect(
      at(nextPlace(windowOf(new ChunkCutPoints(400, 70), 200, 600, 400), { broadcast: other, cursor: 390 })),
    ).toBe(400);
    expect(
      at(nextPlace(windowOf(cutPointsOf("opaque"), 200, 600, 400), { broadcast: other, cursor: 400 })),
    ).toBe(400);
  });

  test("waits while it is not known what the stream is, unless what it has got is opaque", () => {
    const window = windowOf(cutPointsOf("sniffing"), 200, 600, 400);
    const from = (cutPoints: CutPoints) => ({
      broadcast: windowOf(cutPoints, 0, 400).broadcast,
      cursor: 400,
    });
    expect(at(nextPlace(window, { broadcast: other, cursor: 400 }))).toBe("wait");
    expect(at(nextPlace(window, { broadcast: window.broadcast, cursor: 410 }))).toBe("wait");
    expect(at(nextPlace(window, from(new ChunkCutPoints(0, 70))))).toBe("wait");
    expect(at(nextPlace(window, from(cutPointsOf("opaque"))))).toBe(400);
    // One that was a container before, with a header that can't be repeated.
    expect(at(nextPlace(window, from({ ...cutPointsOf("opaque"), fixedAt: () => "moov" })))).toBe("wait");
  });
});
