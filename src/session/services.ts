// What all sessions of a server share: time, access and the log are handed in, so that sessions are tested without them.

import type { Access } from "../access/access.ts";
import type { Log } from "../log.ts";
import type { HandshakeLimits } from "../protocol/handshake.ts";
import type { Clock } from "../relay/clock.ts";
import type { Turns } from "../relay/turns.ts";
import type { Acknowledgements } from "./acknowledgements.ts";
import type { EndRecords } from "./endrecords.ts";
import type { Listening } from "./listening.ts";
import type { Polling } from "./polling.ts";

export interface SessionOptions extends HandshakeLimits {
  readonly handshakeTimeoutMs: number;
  /** Whether watchers have to log in. */
  readonly authenticateWatchers: boolean;
  /** How long an ended stream waits for a watcher that takes nothing, milliseconds. */
  readonly drainTimeoutMs: number;
  /** Where people reach the pages, without a slash at its end; undefined: that is not known. */
  readonly publicUrl: string | undefined;
}

export interface Services {
  readonly access: Access;
  readonly acknowledgements: Acknowledgements;
  readonly ends: EndRecords;
  readonly clock: Clock;
  readonly listening: Listening;
  readonly log: Log;
  readonly options: SessionOptions;
  /** The connections that can't be served all at once. */
  readonly turns: Turns<{ turn(): void }>;
  /** The broadcasters that can be polled while the process is busy. */
  readonly polling: Polling;
}
