// The client's time and randomness, given to what retries and pauses, so that tests decide both.

export interface ClientClock {
  /** Milliseconds that only grow. */
  nowMs(): number;
  sleep(ms: number): Promise<void>;
  /** 0 <= random < 1. */
  random(): number;
}

export const systemClock: ClientClock = {
  nowMs: () => performance.now(),
  sleep: (ms) => Bun.sleep(ms),
  random: () => Math.random(),
};
