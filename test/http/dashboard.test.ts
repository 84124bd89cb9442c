// The dashboard for Grafana (docs/grafana.json) asks for nothing but what /metrics has, and is laid out as Grafana wants it. What
// docs/http.md says of the metrics is true as well.

import { describe, expect, test } from "bun:test";
import dashboard from "../../docs/grafana.json";
import { AccessCounters } from "../../src/access/counters.ts";
import { Metrics } from "../../src/http/metrics.ts";
import { Rig } from "../relay/rig.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: object;
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
  }[];
}

const panels: readonly Panel[] = dashboard.panels;
const targets = panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })));
const source = { type: "prometheus", uid: "${DS_PROMETHEUS}" };

/** Every series that /metrics can have, with its labels. */
function series(): ReadonlyMap<string, ReadonlySet<string>> {
  const rig = new Rig();
  rig.broadcast();
  const access = { counters: new AccessCounters() };
  access.counters.refusals.add("watch not_live");
  const families = new Metrics({
    relay: rig.relay,
    access,
    limits: { connections: 0, most: 0, entered: 0, dropped: 0 },
    places: { taken: 0, most: 0 },
    version: "",
  }).families({ cpuSeconds: 0, residentBytes: 0, startedSeconds: 0, openFiles: 0, maxFiles: 0 });
  const found = new Map<string, Set<string>>();
  for (const { name, samples } of families) {
    for (const { suffix = "", labels = {} } of samples) {
      const known = found.get(name + suffix) ?? new Set(["job", "instance"]);
      for (const label of Object.keys(labels)) known.add(label);
      found.set(name + suffix, known);
    }
  }
  return found;
}

/** The metrics that an expression names. */
function metricsIn(expr: string): readonly string[] {
  return [...expr.matchAll(/\b(?:fstream|process)_\w+/g)].map(([name]) => name);
}

test("the page on HTTP names only metrics that there are", async () => {
  const text = await Bun.file(`${import.meta.dir}/../../docs/http.md`).text();
  const names = [...text.matchAll(/\b((?:fstream|process)_[a-z_]*[a-z])(?!\w|\.\.\.)/g)].map(
    ([, name]) => name,
  );
  expect(names.length).toBeGreaterThan(20);
  const known = series();
  expect(names.filter((name) => !known.has(name) && !known.has(`${name}_count`))).toEqual([]);
});

describe("the dashboard", () => {
  test("names only metrics that there are, and labels that these have", () => {
    const known = series();
    for (const { title, expr, legendFormat } of targets) {
      const names = metricsIn(expr);
      expect(names.length).toBeGreaterThan(0);
      expect({ title, missing: names.filter((name) => !known.has(name)) }).toEqual({ title, missing: [] });
      const [, by = ""] = /\bby \(([^)]*)\)/.exec(expr) ?? [];
      const used = [
        ...by.split(/, */).filter((label) => label !== ""),
        ...[...expr.matchAll(/(\w+)=~?"/g)].map(([, label]) => label),
        ...[...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label),
      ];
      for (const name of names)
        expect({ title, labels: used.filter((label) => known.get(name)?.has(label) !== true) }).toEqual({
          title,
          labels: [],
        });
    }
  });

  test("shows every counter of what can go wrong, and every figure of a limit", () => {
    const shown = new Set(targets.flatMap(({ expr }) => metricsIn(expr)));
    const left = [...series().keys()].filter((name) => !shown.has(name));
    expect(left.toSorted()).toEqual([
      "fstream_build_info", // the variables' choice
      "fstream_channel_live",
      "fstream_watcher_lag_seconds_count",
      "fstream_watcher_lag_seconds_sum",
      "fstream_watcher_skipped_bytes_total",
      "fstream_watcher_skips_total", // by channel
      "process_start_time_seconds",
    ]);
  });

  test("has its panels side by side, in Grafana's 24 columns, each with an id of its own", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      const { x, y, w, h } = gridPos;
      expect(x + w).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column++) {
        for (let row = y; row < y + h; row++) {
          const cell = `${column} ${row}`;
          expect({ title, over: taken.get(cell) }).toEqual({ title, over: undefined });
          taken.set(cell, title);
        }
      }
    }
    // No gap either: Grafana would move panels up into it.
    const height = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    expect(taken.size).toBe(24 * height);
  });

  test("asks for its data source when it is imported, and uses it everywhere", () => {
    expect(dashboard.__inputs.map(({ name, type }) => ({ name, type }))).toEqual([
      { name: "DS_PROMETHEUS", type: "datasource" },
    ]);
    for (const { type, datasource } of panels) if (type !== "row") expect(datasource).toEqual(source);
    for (const { datasource } of dashboard.templating.list) expect(datasource).toEqual(source);
    for (const target of targets) expect(target).toMatchObject({ datasource: source });
  });

  test("requires the kinds of panels that it has", () => {
    const required = dashboard.__requires.filter(({ type }) => type === "panel").map(({ id }) => id);
    const kinds = new Set(panels.map(({ type }) => type).filter((type) => type !== "row"));
    expect(required.toSorted()).toEqual([...kinds].toSorted());
  });

  test("has letters for the queries of a panel, and none twice", () => {
    for (const { title, targets: of = [] } of panels)
      expect({ title, letters: of.map(({ refId }) => refId).join("") }).toEqual({
        title,
        letters: "ABCDEF".slice(0, of.length),
      });
  });

  test.skipIf(Bun.which("promtool") === null)("asks in PromQL", () => {
    const rules = targets.map(({ expr }, i) => ({
      record: `panel:query:${i}`,
      expr: expr.replaceAll("$__rate_interval", "1m").replaceAll(/\$(job|instance)/g, ".*"),
    }));
    const { exitCode, stderr } = Bun.spawnSync(["promtool", "check", "rules", "/dev/stdin"], {
      stdin: Buffer.from(JSON.stringify({ groups: [{ name: "dashboard", rules }] })),
    });
    expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
  });
});
