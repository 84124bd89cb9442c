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
import { contentType, exposition, type Family } from "./exposition.ts";
import openapi from "./openapi.json";
import { isFromPageOf } from "./origin.ts";
import type { HttpRequest } from "./request.ts";
import { text } from "./response.ts";
import { streamFields } from "./streaminfo.ts";

export interface ApiParts {
  readonly relay: Pick<Relay, "channels" | "find" | "finish">;
  readonly access: Pick<Access, "admin">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: Log;
  readonly metrics: () => Promise<readonly Family[]>;
  readonly options: {
    /** Whether channels without a password are everybody's to see. */
    readonly listChannels: boolean;
    /** Where people reach the pages; undefined: that is not known. */
    readonly publicUrl: string | undefined;
  };
}

const channelPath = "/api/channels/";
/** What everybody is told may be so old: however many ask, it is put together only so often. Milliseconds. */
const listAgeMs = 1000;

/** For pages of other sites: they may see what everybody may, and with the admin token do everything. */
const shared = { "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*" };

export class Api {
  readonly #parts: ApiParts;
  #list = { json: "", untilMs: Number.NEGATIVE_INFINITY };

  constructor(parts: ApiParts) {
    this.#parts = parts;
  }

  /** `GET /api/channels` */
  async channels(request: HttpRequest): Promise<Response> {
    const all = await this.#isOperator(request);
    return json(all ? this.#written(() => true) : this.#publicList());
  }

  /** `GET /api/channels/USER/CHANNEL` */
  async channel(request: HttpRequest): Promise<Response> {
    const { user, channel: name } = channelOf(request.path, channelPath);
    const channel = this.#parts.relay.find(user, name);
    const all = await this.#isOperator(request);
    if (channel !== undefined && isOn(channel) && (all || this.#isPublic(channel)))
      return json(JSON.stringify(this.#described(channel)));
    throw new FstreamError("not_live", `${channelLabel(user, name)} is not live, or not public`);
  }

  /** `DELETE /api/channels/USER/CHANNEL` */
  async end(request: HttpRequest): Promise<Response> {
    const { user, channel } = channelOf(request.path, channelPath);
    await this.#demandOperator(request);
    const { relay, log } = this.#parts;
    relay.finish(
      user,
      channel,
      new FstreamError("forbidden", "the server's operator has ended the broadcast"),
    );
    log.info(`${channelLabel(user, channel)}: ended by the operator, from ${request.client.address}`);
    return new Response(null, { status: 204, headers: shared });
  }

  /** `GET /metrics` */
  async metrics(request: HttpRequest): Promise<Response> {
    await this.#demandOperator(request);
    return text(exposition(await this.#parts.metrics()), 200, { "Content-Type": contentType });
  }

  async #demandOperator(request: HttpRequest): Promise<void> {
    request.subject = { intent: "admin" };
    if (await this.#isOperator(request)) return;
    throw new FstreamError("unauthorized", "this is for the admin token, or for the server's own machine");
  }

  /** Rejects with FstreamError for a wrong admin token. */
  async #isOperator(request: HttpRequest): Promise<boolean> {
    const { headers, isLocal, client } = request;
    // A page of another site that a browser on this machine has open is not the operator.
    if (isLocal && isFromPageOf([headers.get("host") ?? ""], headers)) return true;
    const [, token] = /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "") ?? [];
    if (token === undefined) return false;
    request.subject = { intent: "admin" };
    await this.#parts.access.admin(client, token);
    return true;
  }

  #publicList(): string {
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs >= this.#list.untilMs)
      this.#list = { json: this.#written((channel) => this.#isPublic(channel)), untilMs: nowMs + listAgeMs };
    return this.#list.json;
  }

  #isPublic(channel: Channel): boolean {
    return this.#parts.options.listChannels && !channel.guarded;
  }

  #written(isShown: (channel: Channel) => boolean): string {
    const channels = [...this.#parts.relay.channels].filter((channel) => isOn(channel) && isShown(channel));
    return JSON.stringify({ channels: channels.map((channel) => this.#described(channel)) });
  }

  #described(channel: Channel) {
    const { user, name } = channel;
    const site = this.#parts.options.publicUrl ?? "";
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
      protected: channel.guarded,
      watch_url: `${site}/watch/${encodeURIComponent(user)}/${encodeURIComponent(name)}`,
      play_url: pageUrl(site, user, name),
    };
  }
}

/** `GET /api/openapi.json` */
export function describeApi(): Response {
  return json(JSON.stringify(openapi));
}

/** `OPTIONS`: what a page of another site may ask for (the Fetch standard, "CORS-preflight request"). */
export function allowPages(methods: string): Response {
  return new Response(null, {
    status: 204,
    headers: {
      ...shared,
      "Access-Control-Allow-Methods": methods,
      "Access-Control-Allow-Headers": "Authorization",
      "Access-Control-Max-Age": "86400",
    },
  });
}

/** Whether it has a broadcast. One that watchers wait for is nobody's to see: any peer can make up such a name. */
function isOn({ state }: Channel): boolean {
  return state === "live" || state === "held";
}

function json(body: string): Response {
  return new Response(body, {
    headers: { "Content-Type": "application/json", "X-Content-Type-Options": "nosniff", ...shared },
  });
}
