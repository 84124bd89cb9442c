// `/api` and `/metrics`. Channels without a password are everybody's to see, where `list_channels` says so; all else is the
// operator's: a request from this very machine that no page of another site makes, or one with the admin token
// (RFC 6750). What is described here stands for programs in openapi.json.

import type { Access } from "../access/access.ts";
import { channelLabel, FstreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import { channelOf } from "../protocol/httpwatch.ts";
import { pageUrl } from "../protocol/pageurl.ts";
import type { Channel } from "../relay/channel.ts";
import type { Clock } from "../relay/clock.ts";
import type { Relay } from "../relay/relay.ts";
import type { Listening, ListenPlace } from "../session/listening.ts";
import { isLoopback } from "./clientaddress.ts";
import { contentType, exposition, type Family } from "./exposition.ts";
import openapi from "./openapi.json";
import { isFromPageOf } from "./origin.ts";
import type { HttpRequest } from "./request.ts";
import { type Answer, json, text } from "./response.ts";
import { streamFields } from "./streaminfo.ts";

export interface ApiParts {
  readonly relay: Pick<Relay, "channels" | "find" | "finish">;
  readonly access: Pick<Access, "admin">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly listening: Listening;
  readonly log: Log;
  readonly metrics: () => Promise<readonly Family[]>;
  readonly options: {
    /** Whether channels without a password are everybody's to see. */
    readonly listChannels: boolean;
    /** Whether watchers have to log in. */
    readonly authenticateWatchers: boolean;
    /** Where people reach the pages; undefined: that is not known. */
    readonly publicUrl: string | undefined;
  };
}

const channelPath = "/api/channels/";
/** What everybody is told may be so old: however many ask, it is put together only so often. Milliseconds. */
const listAgeMs = 1000;

const nothing = new Uint8Array(0);

/** For pages of other sites: they may see what everybody may, and with the admin token do everything. */
const shared = { "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*" };

export class Api {
  readonly #parts: ApiParts;
  #list = { answer: value(""), untilMs: Number.NEGATIVE_INFINITY };

  constructor(parts: ApiParts) {
    this.#parts = parts;
  }

  /** `GET /api/channels` */
  async channels(request: HttpRequest): Promise<Answer> {
    const all = await this.#isOperator(request);
    return all ? this.#listed(true) : this.#publicList();
  }

  /** `GET /api/channels/USER/CHANNEL` */
  async channel(request: HttpRequest): Promise<Answer> {
    const { user, channel: name } = channelOf(request.path, channelPath);
    const channel = this.#parts.relay.find(user, name);
    const all = await this.#isOperator(request);
    if (channel !== undefined && isOn(channel) && (all || this.#isPublic(channel)))
      return value(JSON.stringify(this.#described(channel)));
    throw new FstreamError("not_live", `${channelLabel(user, name)} is not live or not public`);
  }

  /** `GET /api/address`: where clients of fstream's own protocol reach the server, as far as it knows. */
  address({ client }: HttpRequest): Answer {
    const { tcp, tls } = this.#parts.listening;
    const isReached = (at: ListenPlace | undefined) =>
      at !== undefined && (!isLoopback(at.host) || isLoopback(client.address));
    const found = isReached(tcp) ? { scheme: "fstream", port: tcp?.port } : undefined;
    const secure = isReached(tls) ? { scheme: "fstreams", port: tls?.port } : undefined;
    return value(JSON.stringify(found ?? secure ?? {}));
  }

  /** `DELETE /api/channels/USER/CHANNEL` */
  async end(request: HttpRequest): Promise<Answer> {
    const { user, channel } = channelOf(request.path, channelPath);
    await this.#demandOperator(request);
    const { relay, log } = this.#parts;
    const { address } = request.client;
    const cause = new FstreamError("forbidden", `requested from ${address}`);
    // The broadcaster's session logs the end of one that is on.
    const isHeld = relay.find(user, channel)?.state === "held";
    if (isHeld) log.info(`${channelLabel(user, channel)}: ended by the operator, from ${address}`);
    relay.finish(
      user,
      channel,
      new FstreamError("forbidden", "the server's operator has ended the broadcast", { cause }),
    );
    return { status: 204, fields: shared, body: nothing };
  }

  /** `GET /metrics` */
  async metrics(request: HttpRequest): Promise<Answer> {
    await this.#demandOperator(request);
    return text(exposition(await this.#parts.metrics()), 200, { "Content-Type": contentType });
  }

  async #demandOperator(request: HttpRequest): Promise<void> {
    request.subject = { intent: "admin" };
    if (await this.#isOperator(request)) return;
    throw new FstreamError(
      "unauthorized",
      "it needs the admin token, or must come from the server's own machine",
    );
  }

  /** Rejects with FstreamError for a wrong admin token. */
  async #isOperator(request: HttpRequest): Promise<boolean> {
    const { headers, isLocal, client } = request;
    // A page of another site that a browser on this machine has open is not the operator.
    const site = headers.get("sec-fetch-site") ?? "none";
    const isOwn = site === "none" || site === "same-origin";
    const isHere = isLocal && isOwn && isFromPageOf([headers.get("host") ?? ""], headers);
    const [, token] = /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "") ?? [];
    if (token === undefined) return isHere;
    request.subject = { intent: "admin" };
    // What does not leave this machine needs no TLS.
    await this.#parts.access.admin({ ...client, secure: client.secure || isHere }, token);
    return true;
  }

  #publicList(): Answer {
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs >= this.#list.untilMs) this.#list = { answer: this.#listed(false), untilMs: nowMs + listAgeMs };
    return this.#list.answer;
  }

  #isPublic(channel: Channel): boolean {
    return this.#parts.options.listChannels && !channel.guarded;
  }

  /** `all`: those that are not public, too. */
  #listed(all: boolean): Answer {
    const isShown = (channel: Channel) => isOn(channel) && (all || this.#isPublic(channel));
    const channels = [...this.#parts.relay.channels].filter(isShown);
    return value(JSON.stringify({ all, channels: channels.map((channel) => this.#described(channel)) }));
  }

  #described(channel: Channel) {
    const { user, name } = channel;
    const { publicUrl: site = "", authenticateWatchers } = this.#parts.options;
    return {
      user,
      channel: name,
      state: channel.state,
      since: new Date(channel.sinceMs).toISOString(),
      ...streamFields(channel.info),
      bitrate: channel.bitrate,
      watchers: channel.watchers,
      received_bytes: channel.bytesIn,
      sent_bytes: channel.bytesOut,
      skips: channel.skips,
      access: accessOf(channel.guarded, authenticateWatchers),
      protected: channel.guarded || authenticateWatchers,
      watch_url: `${site}/watch/${encodeURIComponent(user)}/${encodeURIComponent(name)}`,
      play_url: pageUrl(site, user, name),
    };
  }
}

/** `GET /api/openapi.json` */
export function describeApi(): Answer {
  return described;
}

/** `OPTIONS`: what a page of another site may ask for (the Fetch standard, "CORS-preflight request"). */
export function allowPages(methods: string): Answer {
  const fields = {
    ...shared,
    "Access-Control-Allow-Methods": methods,
    "Access-Control-Allow-Headers": "Authorization",
    "Access-Control-Max-Age": "86400",
  };
  return { status: 204, fields, body: nothing };
}

/** What a watcher needs. */
function accessOf(guarded: boolean, login: boolean): string {
  if (login) return guarded ? "login and password" : "login";
  return guarded ? "password" : "public";
}

/** Whether it has a broadcast. One that watchers wait for is nobody's to see: any peer can make up such a name. */
function isOn({ state }: Channel): boolean {
  return state === "live" || state === "held";
}

function value(text: string): Answer {
  return json(text, 200, shared);
}

const described = value(JSON.stringify(openapi));
