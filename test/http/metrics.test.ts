// The figures for Prometheus: their format, their names, and that they are those of what has happened.

import { describe, expect, test } from "bun:test";
import { AccessCounters } from "../../src/access/counters.ts";
import { FstreamError } from "../../src/errors.ts";
import { exposition } from "../../src/http/exposition.ts";
import { Histogram } from "../../src/http/histogram.ts";
import { Metrics, type ProcessFigures } from "../../src/http/metrics.ts";
import { Rig } from "../relay/rig.ts";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { parseExposition, problemsOf, promtoolSays, valueOf } from "./promcheck.ts";

const process: ProcessFigures = {
  cpuSeconds: 1.5,
  residentBytes: 2e21,
  startedSeconds: 1_767_225_600.25,
  openFiles: 12,
  maxFiles: undefined,
};

/** A relay with its metrics, as text. */
function measured() {
  const rig = new Rig({ maxDelayMs: 0, holdMs: 60_000 });
  const access = { counters: new AccessCounters() };
  const metrics = new Metrics({
    relay: rig.relay,
    access,
    limits: { connections: 3, most: 100, entered: 10, dropped: 1 },
    places: { taken: 2, most: 1000 },
    version: "1.2.3",
  });
  return { rig, access, scrape: () => exposition(metrics.families(process)) };
}

/** With channels in every state, skips, refusals, and names that have to be escaped. */
function busy() {
  const { rig, access, scrape } = measured();
  const sender = rig.broadcast({ user: 'fi"er\\n', channel: "two\nlines {x}" });
  sender.send(opaque(sniffedBytes));
  rig.watch({ user: 'fi"er\\n', channel: "two\nlines {x}" });
  rig.watch({ user: 'fi"er\\n', channel: "two\nlines {x}", room: 0 });
  const held = rig.broadcast({ channel: "held" });
  held.send(opaque(5000));
  held.break(new FstreamError("disconnected", "reset"));
  rig.watch({ channel: "awaited", waitMs: 10_000 });
  access.counters.refusals.add("watch not_live");
  access.counters.refusals.add("watch not_live");
  access.counters.logins.add("unauthorized");
  for (let i = 0; i < 50; i++) {
    rig.clock.advance(100);
    sender.send(opaque(1000));
  }
  return { rig, scrape };
}

describe("the metrics", () => {
  test("are as Prometheus would have them", () => {
    for (const { scrape } of [measured(), busy()]) {
      const text = scrape();
      expect(problemsOf(parseExposition(text))).toEqual([]);
      expect(promtoolSays(text) ?? "").toBe("");
    }
  });

  test("are read back as they were meant", () => {
    const families = parseExposition(busy().scrape());
    const channel = { user: 'fi"er\\n', channel: "two\nlines {x}" };
    expect(valueOf(families, "fstream_build_info", { version: "1.2.3" })).toBe(1);
    expect(valueOf(families, "fstream_channel_watchers", channel)).toBe(2);
    expect(valueOf(families, "fstream_channel_live", channel)).toBe(1);
    expect(valueOf(families, "fstream_channel_live", { user: "fier", channel: "held" })).toBe(0);
    expect(valueOf(families, "fstream_channel_received_bytes_total", channel)).toBe(sniffedBytes + 50_000);
    expect(valueOf(families, "fstream_received_bytes_total")).toBe(sniffedBytes + 50_000 + 5000);
    expect(valueOf(families, "fstream_channels", { state: "awaited" })).toBe(1);
    expect(valueOf(families, "fstream_watchers")).toBe(3);
    expect(valueOf(families, "fstream_refusals_total", { intent: "watch", code: "not_live" })).toBe(2);
    expect(valueOf(families, "fstream_logins_total", { result: "unauthorized" })).toBe(1);
    expect(valueOf(families, "fstream_channel_start_time_seconds", channel)).toBe(
      Date.UTC(2026, 0, 1) / 1000 + 1,
    );
    expect(valueOf(families, "process_resident_memory_bytes")).toBe(2e21);
    expect(families.find(({ name }) => name === "process_max_fds")).toBeUndefined();
  });

  test("name no channel that only watchers wait for: any peer can make up such a name", () => {
    const labels = parseExposition(busy().scrape()).flatMap(({ samples }) =>
      samples.map((each) => each.labels),
    );
    expect(labels.some(({ channel }) => channel === "held")).toBe(true);
    expect(labels.some(({ channel }) => channel === "awaited")).toBe(false);
  });

  test("count only up, also when channels and watchers go", () => {
    const { rig, scrape } = busy();
    const counts = () =>
      parseExposition(scrape())
        .filter(({ type, name }) => type !== "gauge" && !name.startsWith("fstream_channel_"))
        .flatMap(({ samples }) => samples);
    const before = counts();
    rig.relay.stop();
    rig.clock.advance(60_000);
    rig.clock.advance(60_000);
    expect(rig.channels).toBe(0);
    const after = new Map(counts().map(({ name, labels, value }) => [name + JSON.stringify(labels), value]));
    for (const { name, labels, value } of before)
      expect(after.get(name + JSON.stringify(labels)) ?? -1).toBeGreaterThanOrEqual(value);
  });

  test("observe each watcher's lag once a scrape", () => {
    const { scrape } = busy();
    const first = parseExposition(scrape());
    expect([at(first, "0.05"), at(first, "2"), at(first, "5"), at(first, "+Inf")]).toEqual([1, 1, 2, 2]);
    const second = parseExposition(scrape());
    expect([at(second, "0.05"), at(second, "5"), at(second, "+Inf")]).toEqual([2, 4, 4]);
    const lag = valueOf(first, "fstream_watcher_lag_seconds_sum");
    expect(lag).toBeGreaterThan(4.8);
    expect(lag).toBeLessThanOrEqual(5);
  });
});

/** How many watchers were at most so far behind. */
function at(families: ReturnType<typeof parseExposition>, le: string): number {
  return valueOf(families, "fstream_watcher_lag_seconds_bucket", { le });
}

describe("a histogram", () => {
  test("counts a value that is a bound below it, and what is beyond all bounds", () => {
    const histogram = new Histogram([0.5, 1]);
    for (const value of [0, 0.5, 0.75, 1, 7]) histogram.observe(value);
    expect(histogram.samples.map(({ value }) => value)).toEqual([2, 4, 5, 9.25, 5]);
  });
});

describe("the text format", () => {
  test("writes numbers as Go reads them, and leaves out what has no sample", () => {
    const samples = [1e21, -0.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN].map(
      (value, i) => ({ labels: { i: String(i) }, value }),
    );
    const text = exposition([
      { name: "a", type: "gauge", help: "One \\ two\nthree.", samples },
      { name: "b", type: "gauge", help: "None.", samples: [] },
    ]);
    expect(text).toBe(
      '# HELP a One \\\\ two\\nthree.\n# TYPE a gauge\na{i="0"} 1e+21\na{i="1"} -0.5\n' +
        'a{i="2"} +Inf\na{i="3"} -Inf\na{i="4"} NaN\n',
    );
  });
});
