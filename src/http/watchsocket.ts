// Playback over a WebSocket (protocol/README.md, "WebSocket"): for a page that plays more streams than a browser's six HTTP
// connections to a server. It watches as any other, with the same limits and policies; only how it is answered is of its own:
// `ok` with what the stream is once that is known, then the stream in binary messages, and a text that says how it ended.
// What the client sends beyond its first message is dropped, as long as it is little. A page of another site may watch what is
// public; it could have its visitors try passwords.

import type { Peer } from "../access/access.ts";
import { FstreamError } from "../errors.ts";
import { parseWatchMessage } from "../protocol/socketmessage.ts";
import type { Connection } from "../session/connection.ts";
import type { HttpServices } from "./services.ts";
import { encodeEnd, encodeOk, encodeRefusal } from "./socketreplies.ts";
import { streamFields } from "./streaminfo.ts";
import { type SocketChannel, WebSocketStages } from "./websocketstages.ts";

const nothing = new Uint8Array(0);

export class WatchSocket extends WebSocketStages {
  readonly #client: Peer;
  readonly #channel: SocketChannel;
  readonly #isFromOwnPage: boolean;

  /** `isFromOwnPage`: see origin.ts. */
  constructor(
    connection: Connection,
    services: HttpServices,
    client: Peer,
    channel: SocketChannel,
    isFromOwnPage: boolean,
  ) {
    super(connection, services, { intent: "watch", ...channel }, client.address);
    this.#client = client;
    this.#channel = channel;
    this.#isFromOwnPage = isFromOwnPage;
  }

  protected begin(message: string): void {
    const wanted = { ...this.#channel, ...parseWatchMessage(message) };
    const isPublic = wanted.channelPassword === "" && !this.services.options.authenticateWatchers;
    if (!isPublic && !this.#isFromOwnPage)
      throw new FstreamError("forbidden", "only pages of this server can watch channels that are not public");
    const { framed } = this;
    this.watch(
      this.#client,
      wanted,
      {
        awaitsDetection: true,
        id: undefined,
        greeting: (info) => {
          const greeting = encodeOk(streamFields(info));
          framed.passOn(greeting.length);
          return greeting;
        },
        refusal: encodeRefusal,
        ending: (end) =>
          framed.isBetweenFrames
            ? { finalBytes: encodeEnd(end), mode: "fin" }
            : { finalBytes: nothing, mode: "reset" },
      },
      this.watchAsked(wanted, this.#client.address, encodeRefusal),
    );
  }

  protected message(): void {
    this.countWord();
  }

  protected binary(): void {
    this.countWord();
  }
}
