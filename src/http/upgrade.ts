// A request that asks for a WebSocket becomes one (RFC 6455, section 4.2), or is refused as any other request is. Who may watch or
// broadcast is decided after the first message; before it only what costs nothing, and whether a page that would broadcast is one
// of this server's own: another's could have its visitors try passwords here.

import type { Peer } from "../access/access.ts";
import { broadcastPath, channelOf, watchPath } from "../protocol/httpwatch.ts";
import type { Connection } from "../session/connection.ts";
import { encodeText } from "../session/httpresponse.ts";
import { BroadcastSocket } from "./broadcastsocket.ts";
import { isFromOwnPage, refuseOtherPages } from "./origin.ts";
import type { HttpRequest } from "./request.ts";
import type { HttpServices } from "./services.ts";
import { WatchSocket } from "./watchsocket.ts";
import { upgradeHead, upgradeProblem, wantsWebSocket } from "./websocket.ts";
import type { WebSocketStages } from "./websocketstages.ts";

/** Whether a request asks for a WebSocket where there are some. */
export function isUpgrade({ path, minorVersion, headers }: HttpRequest): boolean {
  // Of HTTP/1.0 it is to be ignored (RFC 9110, section 7.8).
  const isPath = path.startsWith(watchPath) || path.startsWith(broadcastPath);
  return isPath && minorVersion > 0 && wantsWebSocket(headers);
}

/**
 * The WebSocket that a request asks for, its connection told that it is one; or the answer to a request that does not make
 * sense. Throws FstreamError for one that is refused.
 */
export function upgrade(
  request: HttpRequest,
  connection: Connection,
  services: HttpServices,
): WebSocketStages | Uint8Array {
  const { method, path, headers } = request;
  const client: Peer = { ...request.client, protocol: request.client.secure ? "wss" : "ws" };
  const isWatch = path.startsWith(watchPath);
  const channel = channelOf(path, isWatch ? watchPath : broadcastPath);
  const { publicUrl } = services.options;
  if (!isWatch) refuseOtherPages(request, publicUrl);
  const problem = upgradeProblem(method, headers);
  if (problem !== undefined)
    return encodeText(problem.status, problem.message, problem.headers, method === "HEAD");
  const head = upgradeHead(headers);
  // A socket that nothing was written to takes so little.
  connection.write(head, 0, head.length);
  return isWatch
    ? new WatchSocket(connection, services, client, channel, isFromOwnPage(request, publicUrl))
    : new BroadcastSocket(connection, services, client, channel);
}
