// The pages and their parts over HTTP. Pages are revalidated (RFC 9110, section 13: ETag, If-None-Match), parts have a hash in
// their name and are kept for good (RFC 8246). Where it is accepted, what is sent is compressed. A page may load nothing but
// its own parts, whatever stands in the name of a channel or in a stream.

import { elementsOf } from "../protocol/httphead.ts";
import { type Asset, asset, type PageName, page } from "../web/assets.ts";
import type { HttpRequest } from "./request.ts";
import { type Answer, text } from "./response.ts";
import type { HttpServices } from "./services.ts";

/** What a browser lets a page do (W3C CSP 3); `blob:` is what Media Source gives its streams as addresses. */
function policy(frameAncestors: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    `frame-ancestors ${frameAncestors}`,
  ].join("; ");
}

const nothing = new Uint8Array(0);

const forAll = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  Vary: "Accept-Encoding",
};

/** Answers with a page. */
export function pageOf(name: PageName): (request: HttpRequest, services: HttpServices) => Answer {
  return ({ headers }, { frameAncestors }) =>
    respond(page(name), headers, {
      ...forAll,
      "Cache-Control": "no-cache",
      "Content-Security-Policy": policy(frameAncestors),
      "Cross-Origin-Opener-Policy": "same-origin",
    });
}

/** Answers with a part of a page. */
export function giveAsset({ path, headers }: HttpRequest): Answer {
  const found = asset(path.slice(path.lastIndexOf("/") + 1));
  if (found === undefined) return text("page not found\n", 404);
  return respond(found, headers, { ...forAll, "Cache-Control": "public, max-age=31536000, immutable" });
}

function respond(file: Asset, headers: Headers, fields: Readonly<Record<string, string>>): Answer {
  const all = { ...fields, ETag: file.etag };
  if (isKnown(headers.get("if-none-match"), file.etag)) return { status: 304, fields: all, body: nothing };
  const typed = { ...all, "Content-Type": file.type };
  if (!acceptsGzip(headers.get("accept-encoding"))) return { status: 200, fields: typed, body: file.plain };
  return { status: 200, fields: { ...typed, "Content-Encoding": "gzip" }, body: file.gzip };
}

/** Weakly compared (RFC 9110, section 8.8.3.2), as a proxy that changes the coding makes the tag weak. */
function isKnown(condition: string | null, etag: string): boolean {
  if (condition === null) return false;
  const tags = elementsOf(condition).map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(etag);
}

/** Whether gzip is among the codings that are accepted (RFC 9110, section 12.5.3), and not with a weight of 0. */
function acceptsGzip(accepted: string | null): boolean {
  const codings = elementsOf((accepted ?? "").toLowerCase()).map((coding) =>
    coding.replaceAll(/\s/g, "").split(";"),
  );
  const weightOf = (name: string) => {
    const coding = codings.find(([each]) => each === name);
    return coding && Number(coding.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1);
  };
  return (weightOf("gzip") ?? weightOf("x-gzip") ?? weightOf("*") ?? 0) > 0;
}
