/**
 * The types of a module that authenticates for an fstream server ([auth] authenticator = "module"). Such a module exports a
 * function `authenticate`, of the type `Authenticate`:
 *
 *     import type { AuthRequest, Decision } from "./fstream";
 *
 *     export async function authenticate(request: AuthRequest): Promise<Decision> {
 *       return request.user === "fier" && request.password === "foobar";
 *     }
 */

/** What somebody asks to be let in for. */
export interface AuthRequest {
  /** `token`: a one-time token, which lets `user` broadcast once without being asked for a password again. */
  readonly action: "broadcast" | "watch" | "token";
  /** Whose channel it is: the broadcaster's name. */
  readonly user: string;
  /** Who watches; left out if no name was given. Only for `watch`, which is asked about with `authenticate_watchers`. */
  readonly watcher?: string;
  /** The password of the one who asks: the broadcaster's, or the watcher's. Left out if none was given. */
  readonly password?: string;
  /** The channel's name. Left out for `token`. */
  readonly channel?: string;
  /** The IP address of the client: behind a trusted proxy what that says it is. */
  readonly address: string;
  /** How it came: the protocol's own, plain and over TLS; HTTP; or a WebSocket. */
  readonly protocol: "fstream" | "fstreams" | "http" | "https" | "ws" | "wss";
  /** Of this request, and no other. */
  readonly id: string;
  /** What the query of the URL has beside fstream's own keys; in its own protocol the arguments that it does not know, written as one. */
  readonly query?: string;
  /** The client's User-Agent, over HTTP. */
  readonly userAgent?: string;
}

/** Whether to let in: `true`, `false`, or more about it. Anything else is an error, and lets nobody in. */
export type Decision = boolean | DecisionDetails;

export interface DecisionDetails {
  readonly allow: boolean;
  /** Why: for the server's log. */
  readonly reason?: string;
  /** Whether the one who asked gets the reason too. */
  readonly tellReason?: boolean;
  /** The channels that this is good for, `*` for any run of characters; left out: all. */
  readonly channels?: readonly string[];
  /** After so many seconds the connection is closed; a token ends then, and what began with it. */
  readonly validSeconds?: number;
  /** For so many seconds the same request gets the same decision, without being asked about again. */
  readonly cacheSeconds?: number;
  /** Bits a second that the broadcaster may send; 0: no limit. In place of what the settings say. */
  readonly maxBitrate?: number;
  /** Watchers that the broadcast may have at once; 0: no limit. In place of what the settings say. */
  readonly maxWatchers?: number;
}

/** Decides. What it throws, and what takes longer than `timeout`, lets nobody in. */
export type Authenticate = (request: AuthRequest) => Decision | Promise<Decision>;
