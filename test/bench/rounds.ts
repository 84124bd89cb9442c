// One fan-out against one server: started, measured, stopped, and kept with the results.

import { type Measured, measure } from "./load.ts";
import { type PeerName, withPeer } from "./peers.ts";
import { say } from "./process.ts";
import { brief } from "./report.ts";
import type { Results } from "./results.ts";
import type { Tools } from "./running.ts";
import { checkOneIn, type Work } from "./work.ts";

export interface FanOutOptions {
  /** The FLV's path. */
  readonly flv: string;
  /** Whether a short look is enough. */
  readonly quick: boolean;
}

/** What comes before that is not measured: a stream goes on for hours, and by then code is compiled and windows are open. */
export const warmSeconds = 4;

/** One round of one peer. A run that fails for whatever reason is tried once more, and then left out. */
export async function fanOut(
  work: Work,
  peer: PeerName,
  tools: Tools,
  { flv, quick }: FanOutOptions,
  results: Results,
): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const measured = await withPeer(peer, tools, { burst: work.burst === true }, (server) =>
        measure(tools.load, server, {
          channels: work.channels ?? 1,
          watchers: work.watchers,
          stream: work.stream === "flv" ? flv : work.stream,
          warm: quick ? 1 : (work.warm ?? warmSeconds),
          seconds: work.seconds ?? (quick ? 1.5 : 2.5),
          check: checkOneIn(work),
          joiners: work.joiners ?? 0,
          joinersApartMs: work.joinersApartMs ?? 100,
        }),
      );
      keep(work, peer, measured, results);
      return;
    } catch (error) {
      const words = `${work.name}, ${peer}: ${(error as Error).message}`;
      if (attempt === 0) say(`once more: ${words}`);
      else results.warnings.push(words);
    }
  }
}

function keep(work: Work, peer: PeerName, measured: Measured, results: Results): void {
  const rounds = (results.fanOuts[work.name] ??= {});
  (rounds[peer] ??= []).push(measured);
  const { cpuPerGb, delayMedianMs, delay99Ms, gigabits } = measured;
  const delays = `${brief(delayMedianMs)} and ${brief(delay99Ms)} ms`;
  say(`${work.name} ${peer}: ${brief(cpuPerGb)} s/GB, ${delays}, ${brief(gigabits)} Gbit/s`);
}
