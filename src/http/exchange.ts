// HTTP on a connection: one request is read, answered, and that is all, whatever else the peer sends. So a connection costs the
// work of one request, and lasts no longer than its time for the request, the answer, and the closing; or as long as the
// stream that it watches or broadcasts.
//
//   head --> body --> answer --> closing     (what routes.ts has)
//        |-> watcher ----------> closing     (GET /watch/...)
//        |-> WebSocket --------> closing     (upgrade.ts)
//        |-> login --> upload -> closing     (PUT, POST, SOURCE /broadcast/...)
//        '-> closed (no whole request in time, or the server stops)

import type { BroadcastPermit } from "../access/access.ts";
import { asFstreamError, FstreamError } from "../errors.ts";
import type { HttpHead, Unreadable } from "../protocol/httphead.ts";
import { broadcastPath, channelOf, parseHttpWatch, watchPath } from "../protocol/httpwatch.ts";
import type { Connection } from "../session/connection.ts";
import { encodeText } from "../session/httpresponse.ts";
import { httpRefusal, watchRefusal } from "../session/httpwatch.ts";
import { type Asked, answerTimeoutMs, Stages } from "../session/stages.ts";
import { isUpload, parseUpload, type UploadRequest } from "./broadcast.ts";
import { type Credentials, credentialsOf } from "./credentials.ts";
import { BodyStage, HeadStage } from "./reading.ts";
import { type HttpRequest, requestOf } from "./request.ts";
import { encode, refusal } from "./response.ts";
import { answer, routeOf } from "./routes.ts";
import type { HttpServices } from "./services.ts";
import { isUpgrade, upgrade } from "./upgrade.ts";
import { type Upload, UploadStage } from "./upload.ts";

const nothing = new Uint8Array(0);
const anonymous = new FstreamError(
  "unauthorized",
  "log in with user and password (Basic) or with a token (Bearer)",
);

export class Exchange extends Stages {
  readonly #http: HttpServices;
  /** Of a proxy's connection, once that counts for its client. */
  #client: string | undefined;

  constructor(connection: Connection, services: HttpServices) {
    super(connection, services);
    this.#http = services;
    const head = new HeadStage(connection, services, {
      head: (head, rest) => this.#begin(head, rest),
      unreadable: (reason) => this.refuseUnreadable(reason),
    });
    this.enter(head, () => {});
  }

  #begin(head: HttpHead, rest: Uint8Array): void {
    const request = requestOf(head, this.connection, this.#http);
    const { method, path, client } = request;
    const asked: Asked = {
      subject: { intent: "request" },
      address: client.address,
      refusal: (error) => httpRefusal(request, error),
    };
    this.guard(asked, () => {
      this.#enterClient(client.address);
      const isRead = method === "GET" || method === "HEAD";
      if (isUpgrade(request)) this.#upgrade(request, rest);
      else if (path.startsWith(watchPath) && isRead) this.#watch(request, asked);
      else if (isUpload(request)) this.#broadcast(request, rest, asked);
      else this.#respond(request, rest);
    });
  }

  override closed(error: Error | undefined): void {
    super.closed(error);
    if (this.#client !== undefined) this.#http.limits.leaveClient(this.#client);
    this.#client = undefined;
  }

  #enterClient(address: string): void {
    if (address === this.connection.address) return;
    this.#http.limits.enterClient(address);
    this.#client = address;
  }

  /** Becomes a WebSocket. `rest`: frames that came with the request. */
  #upgrade(request: HttpRequest, rest: Uint8Array): void {
    const upgraded = upgrade(request, this.connection, this.#http);
    if (upgraded instanceof Uint8Array) return this.close(upgraded);
    this.enter(upgraded, () => upgraded.data(rest));
  }

  #watch(request: HttpRequest, asked: Asked): void {
    this.connection.keepPlace();
    const { authenticateWatchers } = this.services.options;
    const wanted = parseHttpWatch(request, authenticateWatchers);
    const known = this.watchAsked(wanted, asked.address, (error) =>
      watchRefusal(request, error, authenticateWatchers),
    );
    this.guard(known, () => this.watchHttp(request.client, request, wanted, known));
  }

  /** `rest`: what came of the body with the head. */
  #broadcast(request: HttpRequest, rest: Uint8Array, asked: Asked): void {
    this.connection.keepPlace();
    const { user, channel } = channelOf(request.path, broadcastPath);
    const known: Asked = { ...asked, subject: { intent: "broadcast", user, channel } };
    this.guard(known, () => {
      const credentials = credentialsOf(request.headers);
      // Many a client gives them only once it is asked for them: no refusal for the log.
      if (credentials === undefined && this.#http.access.needsPassword)
        return this.close(asked.refusal(anonymous));
      const parsed = this.#parseUpload(request, user, credentials);
      if (parsed.type === "refused") return this.refuseUnreadable(parsed);
      const permit = this.#http.access.broadcast(request.client, parsed.asked);
      const first = rest.slice();
      this.login({ ...known, isAnonymous: credentials === undefined }, permit, (granted, early) =>
        this.#upload(parsed.upload, granted, [first, early], known),
      );
    });
  }

  /** A token that is presented is used up, by a request that is refused as well. */
  #parseUpload(
    request: HttpRequest,
    user: string,
    credentials: Credentials | undefined,
  ): UploadRequest | Unreadable {
    let parsed: UploadRequest | Unreadable | undefined;
    try {
      parsed = parseUpload(request, credentials, this.services.options.publicUrl);
      return parsed;
    } finally {
      if (parsed?.type !== "upload" && credentials?.type === "token")
        this.spend({ user, token: credentials.token }, request.client.address);
    }
  }

  /** `early`: what has come of the body. */
  #upload(upload: Upload, permit: BroadcastPermit, early: readonly Uint8Array[], asked: Asked): void {
    const stage = new UploadStage(this.connection, this.#http, upload, permit, {
      done: (bytes) => this.close(encodeText(200, `${bytes} bytes`, { "Cache-Control": "no-store" }, false)),
      refused: (error) => this.refuse(error, asked),
      ended: (error) => this.close(asked.refusal(error)),
      leave: (mode) => this.leave(stage, nothing, mode, answerTimeoutMs),
    });
    this.enter(stage, () => stage.begin(early));
  }

  /** Answers a request with all of its body. */
  #respond(request: HttpRequest, rest: Uint8Array): void {
    const route = routeOf(request);
    if (!("answer" in route)) return this.close(encode(route, request.method === "HEAD"));
    const body = new BodyStage(this.connection, this.#http, {
      whole: (bytes) => this.#answer({ ...request, body: bytes }),
      unreadable: (reason) => this.refuseUnreadable(reason),
    });
    this.enter(body, () => body.begin(request, rest));
  }

  #answer(request: HttpRequest): void {
    this.connection.keepPlace();
    const headOnly = request.method === "HEAD";
    const asked: Asked = {
      subject: { intent: "request" },
      address: request.client.address,
      refusal: (error: FstreamError) => httpRefusal(request, error),
    };
    const bytes = answer(request, this.#http)
      .catch((error: unknown) => refusal(request, asFstreamError(error)))
      .then((response) => encode(response, headOnly));
    this.login(asked, bytes, (whole) => this.close(whole, this.services.options.handshakeTimeoutMs));
  }
}
