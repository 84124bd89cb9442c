// What the benchmark says of peers that are not here: they are told apart from those that fail, and judged by nobody.

import { expect, test } from "bun:test";
import type { Measured } from "./load.ts";
import type { PeerName } from "./peers.ts";
import { fanOutTable } from "./report.ts";
import { newResults, type Results } from "./results.ts";
import { judge } from "./targets.ts";

function results(cpuPerGb: Partial<Record<PeerName, number>>): Results {
  const fanOuts = Object.fromEntries(
    Object.entries(cpuPerGb).map(([peer, cpu]) => [peer, [{ cpuPerGb: cpu, delivered: 1 } as Measured]]),
  );
  return { ...newResults("a machine"), fanOuts: { flv500: fanOuts } };
}

const besideSrs = (of: Results) =>
  judge(of, false)
    .filter(({ what }) => what.includes("SRS"))
    .map(({ work, value, met }) => ({ work, value, met }));

test("a crowd that watches an FLV is judged beside SRS where SRS ran", () => {
  expect(besideSrs(results({ "fstream-350": 0.3, srs: 0.6 }))).toEqual([
    { work: "flv500", value: 0.5, met: true },
  ]);
  expect(besideSrs(results({ "fstream-350": 0.6, srs: 0.6 }))).toEqual([
    { work: "flv500", value: 1, met: false },
  ]);
  expect(besideSrs(results({ "fstream-350": 0.3, "srs-0": 4 }))).toEqual([]);
});

test("a peer that can't run has a row that says why, of the works that it was to do", () => {
  const without = { ...results({ fstream: 1 }), absent: { srs: "SRS= names no binary" } };
  const rows = fanOutTable(without).split("\n");
  expect(rows.filter((row) => row.includes("left out: SRS= names no binary"))).toHaveLength(1);
  expect(fanOutTable({ ...without, fanOuts: {} })).not.toContain("SRS");
  expect(fanOutTable({ ...without, fanOuts: { "500x4": without.fanOuts.flv500 } })).not.toContain("SRS");
});
