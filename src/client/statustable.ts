// What is live as a table for people: columns in line, sizes in units, names that can't disturb a terminal. Pure.

import { printable } from "../log.ts";
import { formatBitrate, formatBytes, formatClock } from "./amount.ts";
import type { ChannelStatus } from "./status.ts";

interface Column {
  readonly title: string;
  readonly of: (channel: ChannelStatus, nowMs: number) => string;
  /** Numbers stand at the right. */
  readonly right?: true;
  /** It may be cut to so few characters where there is no room. */
  readonly least?: number;
  /** Where there is still no room it is left out; the lowest first. */
  readonly rank?: number;
}

const columns: readonly Column[] = [
  { title: "CHANNEL", of: ({ user, channel }) => `${user}/${channel}`, least: 12 },
  { title: "STATE", of: ({ state }) => state },
  { title: "ACCESS", of: ({ access }) => access, least: 8, rank: 4 },
  { title: "TIME", of: ({ sinceMs }, nowMs) => formatClock(Math.max(0, nowMs - sinceMs)), right: true },
  { title: "STREAM", of: streamOf, least: 18 },
  { title: "BIT RATE", of: ({ bitrate }) => formatBitrate(bitrate), right: true },
  { title: "WATCHERS", of: ({ watchers }) => String(watchers), right: true },
  { title: "RECEIVED", of: ({ receivedBytes }) => formatBytes(receivedBytes), right: true, rank: 1 },
  { title: "SENT", of: ({ sentBytes }) => formatBytes(sentBytes), right: true, rank: 3 },
  { title: "SKIPS", of: ({ skips }) => String(skips), right: true, rank: 2 },
];

const gap = "  ";
/**
 * What a cell is cut to before its width is looked at, UTF-16 units: a name has 255 bytes and twice that with its user's, but what a
 * server makes up may have a million marks on one character.
 */
const maxCellLength = 600;

/** The lines of a table, headings first. `width` is the terminal's, in columns; undefined: as wide as it gets. */
export function statusTable(
  channels: readonly ChannelStatus[],
  nowMs: number,
  width: number | undefined,
): readonly string[] {
  const all = columns.map((column): Filled => {
    const cells = [
      column.title,
      ...channels.map((channel) => printable(column.of(channel, nowMs).slice(0, maxCellLength))),
    ];
    return { column, cells, width: Math.max(...cells.map((text) => Bun.stringWidth(text))) };
  });
  const shown = width === undefined ? all : fitting(all, width);
  return [undefined, ...channels].map((_, row) => {
    const line = shown.map(({ column, cells, width: most }) =>
      padded(cells[row], most, column.right === true),
    );
    const text = line.join(gap).trimEnd();
    return width === undefined ? text : cut(text, width);
  });
}

/** A column with its cells, the title's first, and how wide it is. */
interface Filled {
  readonly column: Column;
  readonly cells: readonly string[];
  readonly width: number;
}

/** The columns that there is room for: first some are left out, then some are cut, the widest first. */
function fitting(all: readonly Filled[], width: number): readonly Filled[] {
  const leastOf = ({ column, width: natural }: Filled) => Math.min(natural, column.least ?? natural);
  const room = (of: (filled: Filled) => number, kept: readonly Filled[]) =>
    kept.reduce((left, each) => left - of(each) - gap.length, width + gap.length);
  let kept = all;
  for (let rank = 1; room(leastOf, kept) < 0 && rank <= 4; rank++)
    kept = kept.filter(({ column }) => column.rank !== rank);
  const widths = kept.map((each) => each.width);
  for (let missing = -room((each) => each.width, kept); missing > 0; missing--) {
    const spare = kept.map((each, i) => (widths[i] > leastOf(each) ? widths[i] : 0));
    const widest = spare.indexOf(Math.max(...spare));
    if (spare[widest] === 0) break;
    widths[widest]--;
  }
  return kept.map((each, i) => ({ ...each, width: widths[i] }));
}

function padded(text: string, width: number, right: boolean): string {
  const fit = cut(text, width);
  const space = " ".repeat(Math.max(0, width - Bun.stringWidth(fit)));
  return right ? space + fit : fit + space;
}

/** The beginning of `text` that takes at most so many columns. */
export function cut(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (Bun.stringWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** "mpegts, h264 + aac, 1280x720", "mjpeg, 640x480"; a dash where nothing is known. */
function streamOf({ container, codecs, width, height }: ChannelStatus): string {
  const size = width === undefined || height === undefined ? "" : `${width}x${height}`;
  const names = codecs.join(" + ");
  const parts = [container, names === container ? "" : names, size].filter((part) => part !== "");
  return parts.length === 0 ? "-" : parts.join(", ");
}
