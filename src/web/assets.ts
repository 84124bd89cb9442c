// The pages and what they are made of, out of the binary. No file is read, and nothing is compressed, when somebody asks.

import { bundle } from "./bundle.ts" with { type: "macro" };

/** One file, in both of the forms in which it is sent. */
export interface Asset {
  /** Its media type. */
  readonly type: string;
  /** Changes when the file does; with its quotes. */
  readonly etag: string;
  readonly gzip: Uint8Array<ArrayBuffer>;
  /** Uncompressed. */
  readonly plain: Uint8Array<ArrayBuffer>;
}

export type PageName = "list" | "play" | "broadcast";

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

const assets = new Map<string, Asset>(
  bundle().map(({ name, gzip, hash }) => {
    const compressed = Uint8Array.from(Buffer.from(gzip, "base64"));
    const type = types[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
    return [name, { type, etag: `"${hash}"`, gzip: compressed, plain: Bun.gunzipSync(compressed) }];
  }),
);

/** A script, style or picture by its name, which has a hash in it: what it names never changes. */
export function asset(name: string): Asset | undefined {
  return name.endsWith(".html") ? undefined : assets.get(name);
}

/** A page. It is the same whatever channel it is about: its script reads that from the address. */
export function page(name: PageName): Asset {
  const found = assets.get(`${name}.html`);
  if (found === undefined) throw new Error(`no page ${name}`);
  return found;
}

/** The names of all scripts, styles and pictures. */
export function assetNames(): string[] {
  return [...assets.keys()].filter((name) => asset(name) !== undefined);
}
