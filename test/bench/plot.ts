// The plot: CPU time for each GB and delay against the number of watchers, each on its own axes, all of them logarithmic.
// Plain SVG, its own colours on a white ground, so that it reads the same on every page.

import type { Measured } from "./load.ts";
import type { PeerName } from "./peers.ts";
import { figureOf, type Results } from "./results.ts";
import { plotted } from "./work.ts";

const width = 420;
const height = 300;
const left = 60;
const right = 16;
const top = 44;
const bottom = 48;

const looks: readonly { readonly peer: PeerName; readonly colour: string; readonly label: string }[] = [
  { peer: "fstream", colour: "#0b6fd0", label: "fstream" },
  { peer: "C", colour: "#444444", label: "C reference" },
  { peer: "icecast", colour: "#c2571a", label: "Icecast" },
];

interface Curve {
  readonly colour: string;
  readonly dashed: boolean;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

function curve(
  results: Results,
  { peer, colour }: (typeof looks)[number],
  of: (measured: Measured) => number,
  dashed = false,
): Curve {
  const points = plotted.flatMap(({ name, watchers }) => {
    const y = figureOf(results, name, peer, of);
    return y === undefined || y <= 0 ? [] : [{ x: watchers, y }];
  });
  return { colour, dashed, points };
}

/** From one power of ten to another. */
function decades(values: readonly number[]): [number, number] {
  const low = Math.floor(Math.log10(Math.min(...values)));
  return [low, Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))];
}

function text(x: number, y: number, content: string, more = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${content}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  const at = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<line x1="${at[0]}" y1="${at[1]}" x2="${at[2]}" y2="${at[3]}" stroke="${colour}"/>`;
}

function panel({ title, curves }: Panel, offset: number): string {
  const points = curves.flatMap((curve) => curve.points);
  const counts = [...new Set(points.map(({ x }) => x))].toSorted((a, b) => a - b);
  const [firstX, lastX] = [counts[0], counts[counts.length - 1]];
  const [lowY, highY] = decades(points.map(({ y }) => y));
  const x = (value: number) =>
    offset + left + (Math.log(value / firstX) / Math.log(lastX / firstX)) * (width - left - right);
  const y = (value: number) =>
    height - bottom - ((Math.log10(value) - lowY) / (highY - lowY)) * (height - top - bottom);
  const parts = [text(offset + left, top - 10, title, 'font-weight="bold"')];
  for (let decade = lowY; decade <= highY; decade++) {
    const value = 10 ** decade;
    parts.push(line(x(firstX), y(value), x(lastX), y(value), "#cccccc"));
    parts.push(text(offset + left - 6, y(value) + 4, `${value}`, 'text-anchor="end"'));
    if (decade === highY) break;
    for (let i = 2; i < 10; i++) parts.push(line(x(firstX), y(i * value), x(lastX), y(i * value), "#f0f0f0"));
  }
  for (const count of counts) {
    parts.push(line(x(count), y(10 ** lowY), x(count), y(10 ** highY), "#cccccc"));
    parts.push(text(x(count), height - bottom + 16, `${count}`, 'text-anchor="middle"'));
  }
  parts.push(text(x(Math.sqrt(firstX * lastX)), height - bottom + 34, "watchers", 'text-anchor="middle"'));
  for (const { colour, dashed, points } of curves) {
    const path = points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(" ");
    const dash = dashed ? ' stroke-dasharray="5 4"' : "";
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`);
    for (const point of points)
      parts.push(
        `<circle cx="${x(point.x).toFixed(1)}" cy="${y(point.y).toFixed(1)}" r="3" fill="${colour}"/>`,
      );
  }
  return parts.join("\n");
}

function legend(): string {
  return looks
    .map(({ colour, label }, i) => {
      const at = left + i * 130;
      return `${line(at, 14, at + 24, 14, colour)}${text(at + 30, 18, label, `fill="${colour}"`)}`;
    })
    .join("\n");
}

/** Those that have more than one point. */
function shown(curves: readonly Curve[]): Curve[] {
  return curves.filter(({ points }) => points.length > 1);
}

/** Undefined if nothing of it was measured. */
export function plot(results: Results): string | undefined {
  const cpu = looks.map((look) => curve(results, look, (measured) => measured.cpuPerGb));
  const delay = looks.flatMap((look) => [
    curve(results, look, (measured) => measured.delayMedianMs),
    curve(results, look, (measured) => measured.delay99Ms, true),
  ]);
  if (shown(cpu).length === 0) return undefined;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * width} ${height}" font-family="sans-serif" font-size="12">
<title>Server CPU and delay against the number of watchers of a stream of 4 Mbit/s</title>
<rect width="100%" height="100%" fill="#ffffff"/>
${legend()}
${panel({ title: "CPU seconds for each GB delivered", curves: shown(cpu) }, 0)}
${panel({ title: "delay, ms: median, and dashed 99th percentile", curves: shown(delay) }, width)}
</svg>
`;
}
