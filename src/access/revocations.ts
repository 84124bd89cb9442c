// Ends broadcasts whose user may no longer make them: removed, disabled, or not allowed on the channel any more. A login is
// asked for once, when a broadcast begins, so the authenticator is asked about those that are live every few seconds, where it can
// tell without the password (the users folder). Watchers end as when the operator ends the broadcast.
//
// It has to be so at two looks in a row: an editor that saves a user's file may take it away for a moment.

import type { Authenticator } from "../auth/authenticator.ts";
import { FstreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Channel } from "../relay/channel.ts";
import type { Clock, Timer } from "../relay/clock.ts";
import type { Relay } from "../relay/relay.ts";

/** Between two looks, milliseconds. */
const lookMs = 2000;
/** So many times what a look took, at the least: it is a small part of what the server does, however many broadcast. */
const restFactor = 20;

export interface RevocationsParts {
  readonly relay: Pick<Relay, "channels" | "find" | "finish">;
  readonly authenticator: Pick<Authenticator, "revocation">;
  readonly clock: Clock;
  readonly log: Log;
}

export class Revocations {
  readonly #parts: RevocationsParts;
  /** Channels whose broadcast was found to be revoked at the last look. */
  #suspects = new Set<Channel>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: RevocationsParts) {
    this.#parts = parts;
    this.#lookLater(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #lookLater(tookMs: number): void {
    if (this.#stopped) return;
    const waitMs = Math.max(lookMs, restFactor * tookMs);
    this.#timer = this.#parts.clock.after(waitMs, () => void this.#lookAndGoOn());
  }

  async #lookAndGoOn(): Promise<void> {
    const { clock } = this.#parts;
    const beganMs = clock.nowMs();
    try {
      await this.#look();
    } catch (error) {
      this.#parts.log.repeated("failed", (error as Error).stack ?? String(error), "error");
    }
    this.#lookLater(clock.nowMs() - beganMs);
  }

  /** One user after the other, so that however many there are it takes little of the server at a time. */
  async #look(): Promise<void> {
    const { relay, authenticator } = this.#parts;
    const suspects = new Set<Channel>();
    for (const channel of relay.channels) {
      if (!isOn(channel)) continue;
      const reason = await authenticator.revocation?.(channel.user, channel.name);
      if (reason === undefined || this.#stopped) continue;
      if (this.#suspects.has(channel)) this.#end(channel, reason);
      else suspects.add(channel);
    }
    this.#suspects = suspects;
  }

  #end(channel: Channel, reason: string): void {
    const { relay } = this.#parts;
    const { user, name } = channel;
    // It may have ended meanwhile.
    if (relay.find(user, name) !== channel || !isOn(channel)) return;
    relay.finish(
      user,
      name,
      new FstreamError("unauthorized", `the server's operator has ended the broadcast: ${reason}`),
    );
  }
}

function isOn({ state }: Channel): boolean {
  return state === "live" || state === "held";
}
