// A request whose body is to be broadcast: `PUT`, `POST` or `SOURCE /broadcast/USER/CHANNEL?channel_password=&bufsize=`, with
// the keys of `broadcast` and their rules (protocol/keys.ts). Who sends it stands in its Authorization header alone.

import type { BroadcastAsked } from "../access/access.ts";
import { FstreamError, named } from "../errors.ts";
import type { Unreadable } from "../protocol/httphead.ts";
import { broadcastPath, channelOf, queryOf } from "../protocol/httpwatch.ts";
import { requestKeys } from "../protocol/keys.ts";
import type { Credentials } from "./credentials.ts";
import { framingOf } from "./framing.ts";
import { refuseOtherPages } from "./origin.ts";
import { contentRangeOf } from "./parts.ts";
import type { HttpRequest } from "./request.ts";
import type { Upload } from "./upload.ts";

/** The user that Icecast's clients give where they ask for a password alone: it stands for the channel's. */
const sourceUser = "source";

/** Whether a request has a body to be broadcast. */
export function isUpload({ method, path }: HttpRequest): boolean {
  return path.startsWith(broadcastPath) && ["PUT", "POST", "SOURCE"].includes(method);
}

export interface UploadRequest {
  readonly type: "upload";
  readonly asked: BroadcastAsked;
  readonly upload: Upload;
}

/** What a request with these credentials asks for. `publicUrl`: see origin.ts. Throws FstreamError. */
export function parseUpload(
  request: HttpRequest,
  credentials: Credentials | undefined,
  publicUrl: string | undefined,
): UploadRequest | Unreadable {
  const { method, minorVersion, headers, client } = request;
  const { user, channel } = channelOf(request.path, broadcastPath);
  refuseOtherUser(credentials, user, method);
  refuseOtherPages(request, publicUrl);
  const framing = framingOf(request);
  if (framing.type === "refused") return framing;
  const range = contentRangeOf(headers);
  if (range !== undefined && framing.type === "length" && framing.bytes !== range.last + 1 - range.first)
    throw new FstreamError("bad_request", "Content-Range and Content-Length don't match");
  const keys = requestKeys.broadcast;
  const query = queryOf(request.target);
  const value = (key: string) => query.getAll(key).at(-1) || undefined;
  const channelPassword = keys.channelPassword.read(value("channel_password"));
  const bufsize = keys.bufsize.read(value("bufsize"));
  return {
    type: "upload",
    asked: {
      user,
      channel,
      bufsize,
      token: credentials?.type === "token" ? credentials.token : undefined,
      userPassword: credentials?.type === "password" ? credentials.password : "",
    },
    upload: {
      user,
      channel,
      channelPassword,
      bufsize,
      method,
      minorVersion,
      framing,
      range,
      address: client.address,
      // HTTP/1.0 has no such answer.
      expectsContinue: minorVersion > 0 && headers.get("expect")?.toLowerCase() === "100-continue",
    },
  };
}

function refuseOtherUser(credentials: Credentials | undefined, user: string, method: string): void {
  if (credentials === undefined || credentials.type === "token" || credentials.user === user) return;
  if ((method === "SOURCE" || method === "PUT") && credentials.user === sourceUser) return;
  throw new FstreamError(
    "forbidden",
    `the channel belongs to ${named(user)}, but you logged in as ${named(credentials.user)}`,
  );
}
