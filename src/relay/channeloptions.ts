// What the settings say of each channel. Looked at when it is needed: a reload changes it.

import type { DeadlineOptions } from "./deadlines.ts";
import type { FanOutOptions } from "./fanout.ts";

export interface ChannelOptions extends DeadlineOptions, FanOutOptions {
  readonly backlogBytes: number;
  /** 0: as much as fits. */
  readonly backlogTimeMs: number;
  /** Bits a second that a broadcaster may send on average; 0: no limit. */
  readonly maxBitrate: number;
  /** 0: no limit. */
  readonly maxWatchersPerChannel: number;
  /** 0: never. */
  readonly broadcasterTimeoutMs: number;
  readonly holdMs: number;
  readonly holdEndedMs: number;
}
