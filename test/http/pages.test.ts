// The pages and their parts, as they are answered.

import { describe, expect, test } from "bun:test";
import { requestOf } from "../../src/http/request.ts";
import { answer } from "../../src/http/routes.ts";
import type { HttpServices } from "../../src/http/services.ts";
import { createLog } from "../../src/log.ts";
import { assetNames, page } from "../../src/web/assets.ts";

const log = createLog({ level: "error", journal: false, write: () => {}, nowMs: () => 0 });
const services = { log, frameAncestors: "'self' https://example.org" } as unknown as HttpServices;

async function get(target: string, sent: Record<string, string> = {}): Promise<Response> {
  const headers = new Headers({ Host: "relay.example", ...sent });
  const head = { method: "GET", target, minorVersion: 1, headers };
  const request = requestOf(
    head,
    { address: "192.0.2.1", secure: true },
    { trusted: () => false, options: { publicUrl: undefined } },
  );
  const { status, fields, body } = await answer(request, services);
  return new Response(body.length === 0 ? null : new Uint8Array(body), { status, headers: fields });
}

const pages = ["/", "/play/fier/default", "/play?ch=a/b&ch=c/d", "/broadcast/fier/default"];

describe("a page", () => {
  test.each(pages)(
    "at %s may load nothing but its own parts, and be framed by whom the settings name",
    async (target) => {
      const { status, headers } = await get(target);
      expect(status).toBe(200);
      expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      const policy = (headers.get("content-security-policy") ?? "").split("; ");
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain("style-src 'self'");
      expect(policy).toContain("frame-ancestors 'self' https://example.org");
      expect(policy.join()).not.toContain("unsafe");
    },
  );

  test.each(pages)("at %s names only parts that are there", async (target) => {
    const text = await (await get(target)).text();
    const names = [...text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((match) => match[1]);
    expect(names.length).toBeGreaterThan(2);
    for (const name of names) expect((await get(name)).status).toBe(200);
    expect(text).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    expect(text).not.toContain("style=");
  });

  test("is asked for again each time, and answered shortly if it is the same", async () => {
    const { headers } = await get("/");
    expect(headers.get("cache-control")).toBe("no-cache");
    const etag = headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[\w-]{16}"$/);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await get("/", { "If-None-Match": known });
      expect(again.status).toBe(304);
      expect(again.headers.get("etag")).toBe(etag);
      expect(await again.text()).toBe("");
    }
    expect((await get("/", { "If-None-Match": '"other"' })).status).toBe(200);
    // Of a list that is longer than any that is meant only the beginning is read.
    expect((await get("/", { "If-None-Match": `${"a,".repeat(60)}${etag}` })).status).toBe(200);
  });
});

describe("a part of a page", () => {
  test("is compressed where that is accepted, and the same without", async () => {
    for (const name of assetNames()) {
      const plain = await get(`/assets/${name}`);
      const packed = await get(`/assets/${name}`, { "Accept-Encoding": "deflate, gzip;q=0.5, br" });
      expect(plain.headers.get("content-encoding")).toBeNull();
      expect(packed.headers.get("content-encoding")).toBe("gzip");
      expect(packed.headers.get("vary")).toBe("Accept-Encoding");
      const bytes = new Uint8Array(await plain.arrayBuffer());
      expect(Bun.gunzipSync(await packed.arrayBuffer())).toEqual(bytes);
      expect(bytes.length).toBeGreaterThan(0);
    }
  });

  test.each(["", "identity", "gzip;q=0", "br", "*;q=0", `${"br,".repeat(60)}gzip`])(
    "is not compressed for Accept-Encoding: %p",
    async (accepted) => {
      expect((await get("/", { "Accept-Encoding": accepted })).headers.get("content-encoding")).toBeNull();
    },
  );

  test("is kept for good, as its name changes with it", async () => {
    for (const name of assetNames()) {
      expect(name).toMatch(/-[a-z0-9]{8}\.(js|css|svg)$/);
      expect((await get(`/assets/${name}`)).headers.get("cache-control")).toContain("immutable");
    }
  });

  test("that is not there is not found, and a page is none", async () => {
    for (const name of ["nothing.js", "list.html", "", "../list.html", "%2e%2e/list.html"])
      expect((await get(`/assets/${name}`)).status).toBe(404);
  });
});

test("the pages are what their sources say, each with a title, a language and one script", () => {
  for (const name of ["list", "play", "broadcast"] as const) {
    const text = new TextDecoder().decode(page(name).plain);
    expect(text).toContain('<html lang="en">');
    expect(text).toMatch(/<title>[^<]+<\/title>/);
    expect([...text.matchAll(/<script /g)]).toHaveLength(1);
  }
});
