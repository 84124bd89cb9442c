// What the tables say of peers that are not here and of peers that gather, and what is judged beside a peer only where that ran.

import { expect, test } from "bun:test";
import type { Measured } from "./load.ts";
import type { PeerName } from "./peers.ts";
import { fanOutTable, winnerTable } from "./report.ts";
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

test("a peer that gathers isn't said to lose what may be on its way", () => {
  const measured = { seconds: 2.5, delivered: 0.9, watchers: 1, complete: 1, checked: 1 } as Measured;
  const fanOuts = { flv500: { fstream: [measured], "fstream-350": [measured] } };
  const rows = fanOutTable({ ...newResults("a machine"), fanOuts }).split("\n");
  expect(rows.filter((row) => row.includes("90 % delivered"))).toHaveLength(1);
  expect(rows.find((row) => row.includes("90 % delivered"))).toContain(" fstream ");
});

test("the page says which server is best, and names the next where that is fstream", () => {
  const beside = { ...results({ fstream: 0.5, icecast: 2, "fstream-350": 0.1, C: 0.1 }) };
  const rows = winnerTable(beside).split("\n");
  expect(rows).toHaveLength(3);
  expect(rows[2]).toContain("fstream 0.50, icecast 2.00");
  const worse = winnerTable(results({ fstream: 0.9, icecast: 2, srs: 0.6 }));
  expect(worse).toContain("srs 0.60, fstream 0.90");
  expect(winnerTable(results({ fstream: 0.5, C: 1 }))).toBe("");
});
