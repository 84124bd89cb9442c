// What a request says about who sends it: a password (Basic, RFC 7617) or a token (Bearer, RFC 6750).

import { FstreamError } from "../errors.ts";
import { basicOf } from "../protocol/httpwatch.ts";

export type Credentials =
  | { readonly type: "password"; readonly user: string; readonly password: string }
  | { readonly type: "token"; readonly token: string };

/** RFC 6750, section 2.1. */
const bearer = /^bearer +([\w.~+/-]+=*) *$/i;

/** The credentials of a request; undefined where there are none. Throws FstreamError `bad_request` for those that are neither. */
export function credentialsOf(headers: Headers): Credentials | undefined {
  const given = headers.get("authorization");
  if (given === null) return undefined;
  const token = bearer.exec(given)?.[1];
  if (token !== undefined) return { type: "token", token };
  const basic = basicOf(headers);
  if (basic !== undefined) return { type: "password", ...basic };
  throw new FstreamError(
    "bad_request",
    "the Authorization header is neither Basic user:password nor Bearer TOKEN",
  );
}
