/**
 * Types for a module that checks logins for an fstream server ([auth] authenticator = "module"). The module exports a
 * function `authenticate` of type `Authenticate`:
 *
 *     import type { AuthRequest, Decision } from "./fstream";
 *
 *     export async function authenticate(request: AuthRequest): Promise<Decision> {
 *       return request.user === "fier" && request.password === "foobar";
 *     }
 */

/** A login to check. */
export interface AuthRequest {
  /** `token`: a one-time token, with which `user` can broadcast once without the password. */
  readonly action: "broadcast" | "watch" | "token";
  /** The channel's owner; also the login, except for `watch`. */
  readonly user: string;
  /** The watcher's login; left out if no name was given. Only for `watch`, with `authenticate_watchers`. */
  readonly watcher?: string;
  /** The login's password; left out if none was given. */
  readonly password?: string;
  /** The channel's name; left out for `token`. */
  readonly channel?: string;
  /** The client's IP address, as reported by the proxy if it is trusted. */
  readonly address: string;
  /** fstream's own protocol, plain or over TLS; HTTP; or a WebSocket. */
  readonly protocol: "fstream" | "fstreams" | "http" | "https" | "ws" | "wss";
  /** Unique to this request. */
  readonly id: string;
  /** The URL's query without fstream's own keys; in fstream's own protocol the unknown arguments, written as a query. */
  readonly query?: string;
  /** The client's User-Agent over HTTP. */
  readonly userAgent?: string;
}

/** `true`, `false`, or an object with details. Anything else is an error, and the login is refused. */
export type Decision = boolean | DecisionDetails;

export interface DecisionDetails {
  readonly allow: boolean;
  /** Why, for the server's log. */
  readonly reason?: string;
  /** Whether the client gets the reason too. */
  readonly tellReason?: boolean;
  /** Allowed channels, `*` matches any characters; left out: all. */
  readonly channels?: readonly string[];
  /** The connection is closed this many seconds after the decision; tokens, and broadcasts started with them, end then too. */
  readonly validSeconds?: number;
  /** How long identical requests get the same decision without being checked again, in seconds. */
  readonly cacheSeconds?: number;
  /** The broadcaster's maximum bit rate in bits per second, overrides `max_bitrate`; 0: no limit. */
  readonly maxBitrate?: number;
  /** Maximum number of watchers, overrides `max_watchers_per_channel`; 0: no limit. */
  readonly maxWatchers?: number;
}

/** Checks a login. If it throws, or takes longer than `timeout`, the login is refused. */
export type Authenticate = (request: AuthRequest) => Decision | Promise<Decision>;
