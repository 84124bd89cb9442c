// `GET /metrics`: the server's figures for Prometheus, by its conventions: base units, counters that only grow (also when the
// channel is gone that they are of), no rates. Labels are words of the code; users and channels are named only where figures
// are of each channel, of which there are no more than broadcasts. No address is ever in there.

import type { AccessCounters } from "../access/counters.ts";
import type { ConnectionLimits } from "../access/limits.ts";
import type { WaitingPlaces } from "../access/waitingplaces.ts";
import type { Channel } from "../relay/channel.ts";
import type { Relay } from "../relay/relay.ts";
import type { Tally } from "../relay/tally.ts";
import type { Family, Sample } from "./exposition.ts";
import { Histogram } from "./histogram.ts";

/** Of this process; undefined where the system does not tell. */
export interface ProcessFigures {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Since 1970-01-01 UTC, seconds. */
  readonly startedSeconds: number;
  readonly openFiles: number | undefined;
  readonly maxFiles: number | undefined;
}

/** What there are figures of. */
export interface Measured {
  readonly relay: Pick<Relay, "channels" | "draining" | "counters" | "backlogBytes" | "maxBacklogBytes">;
  readonly access: { readonly counters: AccessCounters };
  readonly limits: Pick<ConnectionLimits, "connections" | "most" | "entered" | "dropped">;
  readonly places: Pick<WaitingPlaces, "taken" | "most">;
  readonly version: string;
}

/** One figure, or one for each set of labels. */
type Figures = number | readonly Sample[] | undefined;

/** What watchers' lags are told apart by, seconds: they are known to some 50 ms. */
const lagBounds = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60];

export class Metrics {
  readonly #measured: Measured;
  readonly #lags = new Histogram(lagBounds);

  constructor(measured: Measured) {
    this.#measured = measured;
  }

  /** All figures as they are now. Each call observes the lag of every watcher once. */
  families(process: ProcessFigures): readonly Family[] {
    const { relay, version } = this.#measured;
    const there = [...relay.channels, ...relay.draining];
    for (const channel of there) channel.observeLags((ms) => this.#lags.observe(ms / 1000));
    return [
      gauge("fstream_build_info", "Version information; always 1.", [{ labels: { version }, value: 1 }]),
      ...this.#streams(there),
      ...this.#peers(),
      ...ofChannels(there.filter(({ state }) => state === "live" || state === "held")),
      ...ofProcess(process),
    ];
  }

  #streams(there: readonly Channel[]): readonly Family[] {
    const { relay } = this.#measured;
    const { counters } = relay;
    const sum = (of: (channel: Channel) => number) => there.reduce((total, each) => total + of(each), 0);
    const inState = (state: Channel["state"]) => there.filter((channel) => channel.state === state).length;
    return [
      gauge("fstream_channels", "Channels, by state; ended: watchers are still getting the rest.", [
        { labels: { state: "live" }, value: inState("live") },
        { labels: { state: "held" }, value: inState("held") },
        { labels: { state: "awaited" }, value: inState("awaited") },
        { labels: { state: "ended" }, value: inState("ended") },
      ]),
      gauge(
        "fstream_watchers",
        "Connected watchers.",
        sum((each) => each.watchers),
      ),
      counter(
        "fstream_received_bytes_total",
        "Stream bytes received from broadcasters.",
        counters.pastBytesIn + sum(({ bytesIn }) => bytesIn),
      ),
      counter(
        "fstream_sent_bytes_total",
        "Bytes sent to watchers: streams, and the replies or HTTP headers before them.",
        counters.pastBytesOut + sum(({ bytesOut }) => bytesOut),
      ),
      counter(
        "fstream_broadcasts_total",
        "Broadcasts started, by kind.",
        tallied(counters.broadcasts, "kind"),
      ),
      counter(
        "fstream_broadcast_ends_total",
        "Broadcasts finished, by reason; ended: a normal end.",
        tallied(counters.broadcastEnds, "reason"),
      ),
      counter("fstream_joins_total", "Watchers whose stream has started.", counters.joins),
      counter(
        "fstream_watcher_ends_total",
        "Watchers whose stream is over, by reason; ended: a normal end, left: disconnected by the watcher.",
        tallied(counters.watcherEnds, "reason"),
      ),
      counter("fstream_watcher_skips_total", "Times that slow watchers skipped ahead.", counters.skips),
      counter(
        "fstream_watcher_skipped_bytes_total",
        "Stream bytes that slow watchers skipped.",
        counters.skippedBytes,
      ),
      {
        name: "fstream_watcher_lag_seconds",
        type: "histogram",
        help: "How far watchers are behind their broadcast, in stream time; each scrape counts every watcher once.",
        samples: this.#lags.samples,
      },
      gauge("fstream_backlog_bytes", "Memory used by backlogs and other stream data.", relay.backlogBytes),
      gauge("fstream_max_backlog_bytes", "Limit on that memory (max_backlog_total).", relay.maxBacklogBytes),
    ];
  }

  #peers(): readonly Family[] {
    const { limits, places } = this.#measured;
    const { logins, tokenUses, tokensIssued, refusals } = this.#measured.access.counters;
    return [
      gauge("fstream_connections", "Open connections.", limits.connections),
      gauge(
        "fstream_max_connections",
        "Limit on connections (max_connections, or what the system allows).",
        limits.most,
      ),
      counter("fstream_accepted_connections_total", "Connections accepted.", limits.entered),
      counter(
        "fstream_dropped_connections_total",
        "Connections dropped for lack of room, before they made a request.",
        limits.dropped,
      ),
      gauge("fstream_waiting_watchers", "Watchers waiting for a channel to go live.", places.taken),
      gauge("fstream_max_waiting_watchers", "Limit on waiting watchers (max_waiting).", places.most),
      counter("fstream_logins_total", "Logins with a password, by result.", tallied(logins, "result")),
      counter("fstream_issued_tokens_total", "Tokens issued.", tokensIssued),
      counter("fstream_presented_tokens_total", "Tokens presented, by result.", tallied(tokenUses, "result")),
      counter(
        "fstream_refusals_total",
        "Requests refused, by intent and code.",
        refusals.entries.map(([kind, value]) => {
          const [intent, code] = kind.split(" ");
          return { labels: { intent, code }, value };
        }),
      ),
    ];
  }
}

/** Figures of each channel that has a broadcast. */
function ofChannels(channels: readonly Channel[]): readonly Family[] {
  const each = (of: (channel: Channel) => number) =>
    channels.map((channel) => ({
      labels: { user: channel.user, channel: channel.name },
      value: of(channel),
    }));
  return [
    gauge(
      "fstream_channel_live",
      "1 if the channel is live, 0 if it is held for its broadcaster's return.",
      each(({ state }) => (state === "live" ? 1 : 0)),
    ),
    gauge(
      "fstream_channel_watchers",
      "Watchers of the channel.",
      each(({ watchers }) => watchers),
    ),
    gauge(
      "fstream_channel_start_time_seconds",
      "Start time of the channel's broadcast, in seconds since the Unix epoch.",
      each(({ sinceMs }) => sinceMs / 1000),
    ),
    counter(
      "fstream_channel_received_bytes_total",
      "Bytes received from the channel's broadcasters.",
      each(({ bytesIn }) => bytesIn),
    ),
    counter(
      "fstream_channel_sent_bytes_total",
      "Bytes sent to the channel's watchers.",
      each(({ bytesOut }) => bytesOut),
    ),
    counter(
      "fstream_channel_skips_total",
      "Times that slow watchers of the channel skipped ahead.",
      each(({ skips }) => skips),
    ),
  ];
}

/** Under the names that all exporters have for them (prometheus.io/docs/instrumenting/writing_clientlibs). */
function ofProcess(figures: ProcessFigures): readonly Family[] {
  return [
    counter("process_cpu_seconds_total", "CPU time used by the process, in seconds.", figures.cpuSeconds),
    gauge(
      "process_resident_memory_bytes",
      "Resident memory of the process, in bytes.",
      figures.residentBytes,
    ),
    gauge("process_open_fds", "Open file descriptors.", figures.openFiles),
    gauge("process_max_fds", "Maximum number of open file descriptors.", figures.maxFiles),
    gauge(
      "process_start_time_seconds",
      "Start time of the process, in seconds since the Unix epoch.",
      figures.startedSeconds,
    ),
  ];
}

function tallied(tally: Tally<string>, label: string): readonly Sample[] {
  return tally.entries.map(([kind, value]) => ({ labels: { [label]: kind }, value }));
}

function counter(name: string, help: string, figures: Figures): Family {
  return { name, type: "counter", help, samples: samplesOf(figures) };
}

function gauge(name: string, help: string, figures: Figures): Family {
  return { name, type: "gauge", help, samples: samplesOf(figures) };
}

/** One that is not known is none. */
function samplesOf(figures: Figures): readonly Sample[] {
  if (figures === undefined) return [];
  return typeof figures === "number" ? [{ value: figures }] : figures;
}
