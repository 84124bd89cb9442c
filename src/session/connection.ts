// What a session needs of its socket, and what it is given to work with: sockets are the server's, time and
// the relay are handed in, so that a session can be tested without either.

import type { Authenticator } from "../auth/authenticator.ts";
import type { Throttle } from "../auth/throttle.ts";
import type { Tokens } from "../auth/tokens.ts";
import type { Log } from "../log.ts";
import type { HandshakeLimits } from "../protocol/handshake.ts";
import type { Clock } from "../relay/clock.ts";
import type { Relay } from "../relay/relay.ts";
import type { Acknowledgements } from "./acknowledgements.ts";
import type { Ends } from "./ends.ts";
import type { Places } from "./places.ts";

export interface Connection {
  /** The peer's IP address; IPv4-mapped IPv6 as IPv4. */
  readonly address: string;
  /** Whether it is encrypted. */
  readonly secure: boolean;
  /** Takes what the kernel takes: 0 when it is full (then `drained` follows), negative when the peer is gone. */
  write(bytes: Uint8Array, offset: number, length: number): number;
  /** Bytes that have come and were not given to `data`; 0 too where `receive` can't have them. */
  available(): number;
  /**
   * Takes at most `length` of the `available` bytes, of which there are some, right into `into` from `offset` on, and gives
   * how many they were. To be called while paused, or `data` gets its bytes out of order.
   */
  receive(into: Uint8Array, offset: number, length: number): number;
  /** Stops and goes on reading. While paused the peer's end is not reported either. */
  pause(): void;
  resume(): void;
  /** A FIN behind what was written. */
  shutdown(): void;
  /** Closes: what was written is still delivered, if all that came was read. */
  close(): void;
  /** A reset: what the peer's kernel has not got is lost. */
  reset(): void;
  /** Bytes written that the peer's kernel has not acknowledged; undefined where the system does not tell. */
  unacknowledged(): number | undefined;
}

export interface SessionOptions extends HandshakeLimits {
  readonly handshakeTimeoutMs: number;
  /** Whether passwords and tokens for them may travel unencrypted. */
  readonly plainPasswords: boolean;
  /** A `bufsize` is at most half of that. */
  readonly backlogBytes: number;
  readonly slowWatcher: "skip" | "close";
  /** How long an ended stream waits for a watcher that takes nothing, milliseconds. */
  readonly drainTimeoutMs: number;
  readonly maxWaitMs: number;
}

/** What all sessions share. */
export interface Services {
  readonly relay: Relay;
  readonly authenticator: Authenticator;
  readonly tokens: Tokens;
  /** Slows down guessing at channel passwords. */
  readonly guesses: Throttle;
  readonly acknowledgements: Acknowledgements;
  /** Places for watchers that wait for a channel. */
  readonly waiting: Places;
  readonly ends: Ends;
  readonly clock: Clock;
  readonly log: Log;
  readonly options: SessionOptions;
  /** Throws FstreamError `limit` if the server has no room for another one of this kind. */
  admit(intent: "watch" | "broadcast" | "token", connection: Connection): void;
}

/**
 * What a connection is at the moment: a handshake, a login, a watcher, a broadcaster, or closing. What a watcher can't do,
 * its stage doesn't have.
 */
export interface ConnectionStage {
  /** Bytes came. The buffer is used for others afterwards. */
  data(bytes: Uint8Array): void;
  /** The socket has room again. */
  drained(): void;
  /** The peer sent its FIN. */
  ended(): void;
  /** The connection is gone; `error`: a reset or a timeout. */
  closed(error: Error | undefined): void;
}
