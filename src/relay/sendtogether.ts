// What a pass sends to the watchers of one channel with one call: what simply comes next for each. All else is for each alone.

import type { Flowing } from "./flowing.ts";
import type { Ring } from "./ring.ts";
import type { SendBatch } from "./sendbatch.ts";

/**
 * Sends to watchers of one channel what can be sent by `batch`. Gives how many bytes were taken, and the watchers that are not done
 * with: what is left is to be sent to each alone.
 */
export function sendTogether(
  flowing: readonly Flowing[],
  ring: Ring,
  batch: SendBatch,
): { bytes: number; rest: Flowing[] } {
  const rest: Flowing[] = [];
  let bytes = 0;
  let added: Flowing[] = [];
  // Between what is added and what has become of it nothing else happens: a socket stays what it is.
  const send = () => {
    batch.send();
    for (let index = 0; index < added.length; index++) {
      const each = added[index];
      const taken = Math.max(0, batch.taken(index));
      each.took(taken);
      bytes += taken;
      if (each.cursor < ring.head || each.cursor === each.stopOffset) rest.push(each);
    }
    added = [];
  };
  for (const each of flowing) {
    if (isAdded(each, batch, ring)) added.push(each);
    else rest.push(each);
    if (batch.isFull) send();
  }
  if (added.length > 0) send();
  return { bytes, rest };
}

/** Whether it was added. What is thrown is thrown again where it is sent to alone, and ends it then. */
function isAdded(flowing: Flowing, batch: SendBatch, ring: Ring): boolean {
  try {
    return flowing.addTo(batch, ring);
  } catch {
    return false;
  }
}
