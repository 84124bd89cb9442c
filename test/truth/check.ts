// Holds a container's detector against what is true of a fixture: each join and each place to cut is where it is, none is
// missing, and the headers consist of what they have to.

import type { Container, Header } from "../../src/media/detector.ts";
import { headerFaults } from "./headers.ts";
import type { Fixture } from "./manifest.ts";

/** So near to the end an access unit may be known only with what follows. Bytes. */
const endBytes = 256;
/** Of joins that a detector may choose from, two are no further apart than that share of the stream. */
const maxGap = 0.4;
/** So many faults are enough. */
const maxFaults = 10;

/** What a detector reports of a whole file. */
export interface Found {
  readonly joins: { readonly offset: number; readonly header: Header | undefined }[];
  /** Unit ends, and the joins that are some. */
  readonly cuts: number[];
}

/** Follows `bytes` from offset 0 on. */
export function follow(container: Container, bytes: Uint8Array): Found {
  const joins: Found["joins"] = [];
  const cuts = new Set<number>();
  let newest: Header | undefined;
  const detector = container.create({
    header: (header) => {
      newest = header;
    },
    join: (offset, within = false) => {
      joins.push({ offset, header: newest });
      if (!within) cuts.add(offset);
    },
    unit: (offset) => cuts.add(offset),
  });
  detector.feed(bytes, 0);
  return { joins, cuts: [...cuts].sort((a, b) => a - b) };
}

/** What of `container`'s reports of the fixture, whose bytes are `bytes`, is not true; empty if all is. */
export function faults(container: Container, fixture: Fixture, bytes: Uint8Array): string[] {
  const { joins, cuts } = follow(container, bytes);
  const offsets = joins.map(({ offset }) => offset);
  const list = [
    ...joinFaults(fixture, offsets, bytes.length),
    ...cutFaults(fixture, cuts, bytes.length),
    ...joins.flatMap(({ offset, header }) =>
      header === undefined
        ? [`join ${offset} has no header`]
        : headerFaults(fixture, bytes, offset, header).map((fault) => `join ${offset}: ${fault}`),
    ),
  ];
  return list.slice(0, maxFaults);
}

function joinFaults(of: Fixture, found: readonly number[], end: number): string[] {
  const { joins, some = false, step = 0 } = of;
  const [first] = joins;
  const isTrue = (offset: number) => joins.includes(offset) || (step > 0 && (offset - first) % step === 0);
  const list = found.filter((offset) => !isTrue(offset)).map((offset) => `${offset} is no join`);
  if (!some) return [...list, ...missing(of, joins, found, end).map((offset) => `join ${offset} is missing`)];
  if (found[0] !== first) list.push(`the first join is ${found[0]} in place of ${first}`);
  const gap = Math.max(...[...found, end].map((offset, i) => offset - (found[i - 1] ?? first)));
  return gap > maxGap * end ? [...list, `no join in ${gap} bytes`] : list;
}

function cutFaults(of: Fixture, found: readonly number[], end: number): string[] {
  const { joins, cuts, step = 0 } = of;
  const isTrue = (offset: number) => cuts.includes(offset) || (step > 0 && (offset - joins[0]) % step === 0);
  return [
    ...found.filter((offset) => !isTrue(offset)).map((offset) => `the stream can't be cut at ${offset}`),
    ...missing(of, cuts, found, end).map((offset) => `that it can be cut at ${offset} is missing`),
  ];
}

function missing(of: Fixture, all: readonly number[], found: readonly number[], end: number): number[] {
  const last = of.container === "h264" || of.container === "hevc" ? end - endBytes : end;
  return all.filter((offset) => offset <= last && !found.includes(offset));
}
