// The net has no holes: what costs too much, keeps too much, breaks a rule or throws is found, and what does not is not.

import { expect, setDefaultTimeout, test } from "bun:test";
import { type Container, noHeader, type Sink } from "../../src/media/detector.ts";
import { type Case, maxPieceBytes } from "./cases.ts";
import { threadMs } from "./clock.ts";
import { bounds, examine } from "./examine.ts";

/** A stream of 400 kB, in pieces. */
const given: Case = {
  container: "flv",
  parts: [{ is: "head" }, { is: "key", size: 100, times: 3300 }],
  pieceBytes: maxPieceBytes,
  seed: 0,
  again: 1,
};

/** A container whose detector does that with each piece. */
function faulty(feed: (bytes: Uint8Array, offset: number, sink: Sink) => void): Container[] {
  return [
    {
      name: "flv",
      sniff: () => "yes",
      create: (sink) => {
        const info = { container: "flv", mediaType: "", codecs: [], damaged: 0 };
        return { info, lost: false, feed: (bytes, offset) => feed(bytes, offset, sink) };
      },
    },
  ];
}

setDefaultTimeout(60_000);

/** The kinds of what is found with such a detector. */
function found(
  feed: (bytes: Uint8Array, offset: number, sink: Sink) => void,
  change: Partial<Case> = {},
): string[] {
  const { findings } = examine({ ...given, ...change }, bounds(1), [], faulty(feed));
  return [...new Set(findings.map(({ kind }) => kind))];
}

/** Takes so much of this thread's processor time. */
function spend(ms: number): void {
  const until = threadMs() + ms;
  while (threadMs() < until);
}

function grower(bytes: Uint8Array, offset: number): void {
  spend(6 * ((offset + bytes.length) / 3.2e6) ** 2);
}

function thrower(): void {
  throw new RangeError("outside");
}

function backwards(_bytes: Uint8Array, offset: number, sink: Sink): void {
  sink.header(noHeader);
  sink.join(offset + 5);
  sink.join(offset);
}

test("a detector that does little is not found", () => {
  expect(found(() => spend(1))).toEqual([]);
  expect(found(() => spend(0.2), { again: 8, pieceBytes: 16_384 })).toEqual([]);
});

test("one that takes quadratic time in a piece is found", () => {
  expect(found((bytes) => spend(bytes.length ** 2 / 1.5e9))).toContain("piece");
});

test("one that takes a little too long for each of many pieces is found", () => {
  expect(found(() => spend(1), { pieceBytes: 1000 })).toContain("stream");
});

test("one whose time grows with what it has seen is found", () => {
  expect(found(grower, { again: 8, pieceBytes: 65_536 })).toContain("growth");
});

test("one that keeps what it has seen is found", () => {
  const kept: Uint8Array[] = [];
  expect(found(() => kept.push(new Uint8Array(40_000).fill(1)), { pieceBytes: 400 })).toContain("held");
});

test("one that throws is found, whatever its throw is caught by", () => {
  expect(found(thrower)).toEqual(["throw"]);
});

test("one that reports what was not fed is found", () => {
  expect(found((_bytes, offset, sink) => sink.unit(offset + 1e9))).toEqual(["rule"]);
  expect(found(backwards)).toEqual(["rule"]);
});

test("the relay is examined with the same stream", () => {
  const scenario = {
    backlogBytes: 65_536,
    ms: 40,
    rounds: [
      { upTo: 0.5, how: "takeover" as const },
      { upTo: 1, how: "stop" as const },
    ],
    watchers: [
      { at: 0, start: "join" as const, takesBytes: 0, slowPolicy: "skip" as const },
      { at: 0.3, start: "back" as const, takesBytes: 100, slowPolicy: "skip" as const },
      { at: 1.2, start: "next" as const, takesBytes: 0, slowPolicy: "close" as const, leavesAt: 1.5 },
    ],
  };
  const verdict = examine({ ...given, pieceBytes: 4096, seed: 3, scenario }, bounds(3));
  expect(verdict.findings).toEqual([]);
  expect(verdict.container).toBe("flv");
});
