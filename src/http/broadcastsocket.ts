// A browser tab's broadcast over a WebSocket (protocol/README.md, "WebSocket"). Its first message has the credentials, its binary
// messages are the stream, and `{"type":"end"}` is an orderly end; a connection that ends without is a broken broadcast, whose
// watchers are held for its return. Once a second it is told how many watch, and how many bytes have come.
//
//   credentials --> login --> tab --> closing

import type { BroadcastPermit, Peer } from "../access/access.ts";
import { FstreamError, reasonOf } from "../errors.ts";
import { pageUrl } from "../protocol/pageurl.ts";
import { messageType, parseBroadcastMessage, tokenOf } from "../protocol/socketmessage.ts";
import type { Timer } from "../relay/clock.ts";
import { Broadcasting, type BroadcastingRequest } from "../session/broadcasting.ts";
import type { Connection, ConnectionStage } from "../session/connection.ts";
import { encodeMessage } from "./frames.ts";
import type { HttpServices } from "./services.ts";
import { encodeBroadcastEnd, encodeOk, encodeRefusal } from "./socketreplies.ts";
import { closingTimeoutMs, type SocketChannel, WebSocketStages } from "./websocketstages.ts";

/** How often it is told what has become of its bytes, milliseconds. */
const statusMs = 1000;
const nothing = new Uint8Array(0);

export class BroadcastSocket extends WebSocketStages {
  readonly #client: Peer;
  readonly #channel: SocketChannel;
  #broadcasting: Broadcasting | undefined;

  constructor(connection: Connection, services: HttpServices, client: Peer, channel: SocketChannel) {
    super(connection, services, { intent: "broadcast", ...channel }, client.address);
    this.#client = client;
    this.#channel = channel;
  }

  protected begin(message: string): void {
    const { access } = this.services;
    const request = { ...this.#channel, ...this.#parse(message) };
    const permit = access.broadcast(this.#client, request);
    this.login(this.asked, permit, (granted) => this.#broadcast(request, granted));
  }

  /** A token that was presented is used up, whatever else is wrong. */
  #parse(message: string): ReturnType<typeof parseBroadcastMessage> {
    try {
      return parseBroadcastMessage(message);
    } catch (error) {
      const token = tokenOf(message);
      const { user } = this.#channel;
      if (token !== undefined) this.spend({ user, token }, this.#client.address);
      throw error;
    }
  }

  #broadcast(request: BroadcastingRequest, permit: BroadcastPermit): void {
    const { publicUrl } = this.services.options;
    const url = publicUrl === undefined ? {} : { url: pageUrl(publicUrl, request.user, request.channel) };
    const broadcasting = new Broadcasting(this.#client.address, this.services, request, (error) =>
      this.#dismissed(error),
    );
    const tab = new TabStage(broadcasting);
    this.#broadcasting = broadcasting;
    this.enter(tab, () => {
      broadcasting.begin(permit);
      this.framed.say(encodeOk(url));
      if (broadcasting.isOn) this.#report(tab);
    });
  }

  protected binary(bytes: Uint8Array): void {
    this.#broadcasting?.append(bytes);
  }

  protected message(text: string): void {
    if (messageType(text) !== "end") {
      const error = new FstreamError(
        "bad_request",
        'the only message allowed while broadcasting is {"type":"end"}',
      );
      return this.refuse(error, this.asked);
    }
    const broadcasting = this.#broadcasting;
    // It may have been dismissed by what came before.
    if (broadcasting?.isOn !== true) return;
    broadcasting.end();
    this.leave(this.stage, encodeBroadcastEnd(broadcasting.bytes), "fin", closingTimeoutMs);
  }

  /** Reports now and again how it stands; not to one that reads nothing. */
  #report(tab: TabStage): void {
    tab.status = this.services.clock.after(statusMs, () => {
      const { watchers, bytes } = tab.broadcasting;
      this.framed.say(encodeMessage({ type: "status", watchers, bytes }));
      this.#report(tab);
    });
  }

  #dismissed(error: FstreamError): void {
    if (error.code === "disconnected") this.leave(this.stage, nothing, "reset", closingTimeoutMs);
    else this.leave(this.stage, encodeRefusal(error), "fin", closingTimeoutMs);
  }
}

/** While it broadcasts: what comes goes past it. */
class TabStage implements ConnectionStage {
  readonly broadcasting: Broadcasting;
  /** The next report of what has become of its bytes. */
  status: Timer | undefined;

  constructor(broadcasting: Broadcasting) {
    this.broadcasting = broadcasting;
  }

  data(): void {}

  drained(): void {}

  ended(): void {}

  closed(error: Error | undefined): void {
    this.status?.cancel();
    const reason = error === undefined ? "the connection was closed before the end" : reasonOf(error);
    this.broadcasting.abort(new FstreamError("disconnected", reason));
  }

  stop(): void {}
}
