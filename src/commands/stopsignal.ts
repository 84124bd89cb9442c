// The signal that stops the server: the first. A second one ends the process by its default action, unless it comes so soon after the
// first that it is the same once more (see client/interrupt.ts).

import type { EventEmitter } from "node:events";
import { sameMs } from "../client/interrupt.ts";

/** Resolves with the first of the `signals` that `source` emits; listens to all of them for `windowMs` more. */
export function stopSignal(
  source: Pick<EventEmitter, "on" | "off">,
  signals: readonly NodeJS.Signals[],
  windowMs = sameMs,
): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let isFirst = true;
  const stop = (signal: NodeJS.Signals) => {
    if (!isFirst) return;
    isFirst = false;
    resolve(signal);
    setTimeout(() => {
      for (const each of signals) source.off(each, stop);
    }, windowMs).unref();
  };
  for (const signal of signals) source.on(signal, stop);
  return promise;
}
