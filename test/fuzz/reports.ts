// What a stream's bytes make the sniffer and its detector report, as text: the same, however the bytes came.

import { containers } from "../../src/media/containers.ts";
import type { Container } from "../../src/media/detector.ts";
import { Sniffer } from "../../src/media/sniffer.ts";
import { Recorder } from "../media/recorder.ts";
import type { Roll } from "./parts.ts";

/** The reports of `bytes`, given in pieces of up to `pieceBytes`, or exactly so many without `roll`. */
function reportsOf(bytes: Uint8Array, all: readonly Container[], pieceBytes: number, roll?: Roll): string {
  const recorder = new Recorder();
  const sniffer = new Sniffer(recorder, all);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + (roll === undefined ? pieceBytes : 1 + roll(pieceBytes)));
    sniffer.feed(bytes.subarray(at, end), at);
    at = end;
  }
  sniffer.finishDetection();
  return [...recorder.calls, sniffer.state, JSON.stringify(sniffer.info)].join("\n");
}

const begin = (line: string | undefined) => (line ?? "nothing").slice(0, 60);

/** In a few words where reports depend on how the bytes came; undefined if they do not. */
export function splitFault(bytes: Uint8Array, roll: Roll, all = containers): string | undefined {
  const one = reportsOf(bytes, all, Math.max(1, bytes.length)).split("\n");
  const other = reportsOf(bytes, all, 1 + roll(5000), roll).split("\n");
  const index = one.findIndex((line, i) => line !== other[i]);
  if (index < 0 && one.length === other.length) return undefined;
  const at = index < 0 ? one.length : index;
  return `in pieces "${begin(other[at])}" is reported, whole "${begin(one[at])}"`;
}
