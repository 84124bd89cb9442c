// What the value of a setting can be: each kind reads what the TOML parser (or a flag) gives and says what
// would be right. A kind never throws: a value that does not fit is an ordinary result, since all that is
// wrong with a settings file is reported at once.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { isAddressBlock, type ListenAddress, parseListenAddress, parseSite } from "./address.ts";
import { formatBitrate, parseBitrate } from "./bitrate.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { formatSize, parseSize } from "./size.ts";

/** A value that was read, or what would have been right in its place ("a size such as ..."). */
export type Reading<T> = { readonly value: T } | { readonly right: string };

/** What a value can depend on besides itself. */
export interface Context {
  /** Absolute; relative paths count from it. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Kind<T> {
  /** Stands for the value in help texts, e.g. SIZE. */
  readonly placeholder: string;
  /** All values there are, as flags have them. */
  readonly choices?: readonly string[];
  /** What a value may be, for the reference: "a size from 64KiB to 2GiB". */
  readonly range: string;
  readonly read: (value: unknown, context: Context) => Reading<T>;
  /** A flag's text as the value that would stand in the settings file. */
  readonly fromText: (text: string) => unknown;
  /** A value for messages, much as it would be written. Left out: as JSON has it. */
  show?(value: T): string;
  /** Whether there may be a secret in it, so that no message shows it. */
  readonly isPrivate?: boolean;
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  /** Whether 0 is allowed although `min` is more: it then turns the limit off. */
  readonly zero?: boolean;
}

function between(bounds: Bounds, show: (value: number) => string): string {
  const most = bounds.max === Number.MAX_SAFE_INTEGER ? "" : ` to ${show(bounds.max)}`;
  const range = most === "" ? `of at least ${show(bounds.min)}` : `from ${show(bounds.min)}${most}`;
  return bounds.zero ? `${range}, or 0` : range;
}

function bounded(value: number | undefined, bounds: Bounds, right: string): Reading<number> {
  if (value === undefined) return { right };
  const fits = (value >= bounds.min && value <= bounds.max) || (bounds.zero === true && value === 0);
  return fits ? { value } : { right };
}

/** A size in bytes. */
export function size(bounds: Bounds): Kind<number> {
  const range = `a size ${between(bounds, formatSize)}`;
  return {
    placeholder: "SIZE",
    range,
    show: formatSize,
    fromText: (text) => text,
    read: (value) => bounded(quantity(value, 1, parseSize), bounds, `${range}, for example "16MiB"`),
  };
}

/** A bit rate in bits a second. */
export function bitrate(bounds: Bounds): Kind<number> {
  const range = `a bit rate ${between(bounds, formatBitrate)}`;
  return {
    placeholder: "BITRATE",
    range,
    show: formatBitrate,
    fromText: (text) => text,
    read: (value) =>
      bounded(quantity(value, 1, parseBitrate), bounds, `${range}, for example "5M" or "800k"`),
  };
}

/** A setting that can be longer has longer examples. Milliseconds. */
const longMs = 20_000;

/** A duration in milliseconds. */
export function duration(bounds: Bounds): Kind<number> {
  const range = `a duration ${between(bounds, formatDuration)}`;
  const example = bounds.max > longMs ? '"10s" or "1h30m"' : '"250ms" or "1s"';
  return {
    placeholder: "DURATION",
    range,
    show: formatDuration,
    fromText: (text) => text,
    read: (value) =>
      bounded(quantity(value, 1000, parseDuration), bounds, `${range}, for example ${example}`),
  };
}

/** A text with a unit, or a plain number of `plainUnit`. The parser gives integers past 2^53 as BigInt. */
function quantity(value: unknown, plainUnit: number, parse: (text: string) => number | undefined) {
  if (typeof value === "string") return parse(value);
  return Number.isSafeInteger(value) ? (value as number) * plainUnit : undefined;
}

export function integer(bounds: Bounds): Kind<number> {
  const range = `a whole number ${between(bounds, String)}`;
  return {
    placeholder: "N",
    range,
    fromText: (text) => (/^-?\d+$/.test(text) ? Number(text) : text),
    read: (value) => bounded(Number.isSafeInteger(value) ? (value as number) : undefined, bounds, range),
  };
}

export function boolean(): Kind<boolean> {
  const range = "true or false";
  const choices = ["true", "false"];
  return {
    placeholder: choices.join("|"),
    choices,
    range,
    fromText: (text) => (text === "true" ? true : text === "false" ? false : text),
    read: (value) => {
      if (typeof value === "boolean") return { value };
      return { right: value === "true" || value === "false" ? `${range}, without quotes` : range };
    },
  };
}

export function oneOf<const T extends string>(allowed: readonly T[]): Kind<T> {
  const list = allowed.map((value) => `"${value}"`).join(", ");
  const range = `one of ${list}`;
  return {
    placeholder: allowed.join("|"),
    choices: allowed,
    range,
    fromText: (text) => text,
    read: (value) => {
      const found = allowed.find((one) => one === value);
      return found === undefined ? { right: range } : { value: found };
    },
  };
}

/** Where to listen; undefined for the empty text: not at all. */
export function listenAddress(): Kind<ListenAddress | undefined> {
  const range = 'an address to listen on ("host:port", ":port", "[v6]:port"), or empty';
  return {
    placeholder: "ADDRESS",
    range,
    fromText: (text) => text,
    read: (value) => {
      if (value === "") return { value: undefined };
      const address = typeof value === "string" ? parseListenAddress(value) : undefined;
      return address === undefined ? { right: rightListen(range, value) } : { value: address };
    },
  };
}

/** A port alone is likely to be meant as one. */
function rightListen(range: string, value: unknown): string {
  const [, colon, port] = /(?:^|(:))(\d+)$/.exec(String(value)) ?? [];
  if (port === undefined) return range;
  if (Number(port) > 65_535) return "an address with a port from 0 to 65535";
  return colon === undefined ? `${range}; did you mean ":${port}"?` : range;
}

/** The address of a web site, without a slash at its end; undefined for the empty text: none. */
export function optionalSite(): Kind<string | undefined> {
  const range = 'an http or https URL without a query, such as "https://relay.example", or empty';
  return {
    placeholder: "URL",
    range,
    fromText: (text) => text,
    read: (value) => {
      if (value === "") return { value: undefined };
      const site = typeof value === "string" ? parseSite(value) : undefined;
      return site === undefined ? { right: range } : { value: site };
    },
  };
}

/** Who may have a page in a frame: a source list of a Content-Security-Policy (W3C CSP 3, frame-ancestors). */
export function frameAncestors(): Kind<string> {
  const range = `sources of a Content-Security-Policy, such as "'self' https://example.org", "*" or "'none'"`;
  const source = /^('self'|\*|https?:|https?:\/\/[\w.*:[\]-]+)$/;
  return {
    placeholder: "SOURCES",
    range,
    fromText: (text) => text,
    read: (value) => {
      const sources = typeof value === "string" ? value.split(" ").filter((each) => each !== "") : [];
      const fits = sources.length > 0 && sources.every((each) => source.test(each));
      return fits || value === "'none'" ? { value: sources.join(" ") } : { right: range };
    },
  };
}

/** IP addresses and blocks of them, as texts. */
export function addressBlocks(): Kind<readonly string[]> {
  const range = 'a list of IP addresses or blocks, such as ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]';
  return {
    placeholder: "ADDRESSES",
    range,
    fromText: (text) => text.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()])),
    read: (value) => {
      if (!Array.isArray(value)) return { right: range };
      const wrong = value.findIndex((one) => typeof one !== "string" || !isAddressBlock(one));
      if (wrong < 0) return { value: [...(value as string[])] };
      const shown =
        typeof value[wrong] === "string" ? `: ${JSON.stringify(value[wrong].slice(0, 64))} is neither` : "";
      return { right: `${range}${shown}` };
    },
  };
}

/** A folder, as an absolute path. */
export function folder(): Kind<string> {
  return pathKind("DIR", "a path", (text, { folder }) => (text === "" ? undefined : resolve(folder, text)));
}

/** A file, as an absolute path; undefined for the empty text: none. */
export function optionalFile(): Kind<string | undefined> {
  const kind = pathKind("FILE", "a path, or empty", (text, { folder }) => resolve(folder, text));
  return {
    ...kind,
    read: (value, context) => (value === "" ? { value: undefined } : kind.read(value, context)),
  };
}

/**
 * A file, as an absolute path; for the empty text the credential of that name, where systemd passes it (systemd.exec(5),
 * LoadCredential=), else undefined.
 */
export function optionalSecret(credential: string): Kind<string | undefined> {
  const kind = optionalFile();
  return {
    ...kind,
    read: (value, context) => {
      const folder = context.environment.CREDENTIALS_DIRECTORY;
      if (value !== "" || !folder) return kind.read(value, context);
      const path = join(folder, credential);
      return { value: existsSync(path) ? path : undefined };
    },
  };
}

/**
 * The folder for what the server keeps: as given, else the first of $STATE_DIRECTORY (systemd.exec(5) puts
 * colons between several), else `state`.
 */
export function stateFolder(): Kind<string> {
  return pathKind("DIR", "a path, or empty", (text, { folder, environment }) => {
    const given = environment.STATE_DIRECTORY?.split(":")[0];
    return resolve(folder, text || given || "state");
  });
}

function pathKind(
  placeholder: string,
  range: string,
  find: (text: string, context: Context) => string | undefined,
): Kind<string> {
  return {
    placeholder,
    range,
    fromText: (text) => text,
    read: (value, context) => {
      if (typeof value !== "string" || value.includes("\0")) return { right: range };
      const found = find(value, context);
      return found === undefined ? { right: range } : { value: found };
    },
  };
}

/** The URL of a service; undefined for the empty text: none. */
export function optionalUrl(): Kind<string | undefined> {
  const range = 'an http or https URL, such as "http://127.0.0.1:8080/auth", or empty';
  return {
    placeholder: "URL",
    range,
    isPrivate: true,
    fromText: (text) => text,
    read: (value) => {
      if (value === "") return { value: undefined };
      const url = typeof value === "string" ? URL.parse(value) : null;
      const fits = url !== null && /^https?:$/.test(url.protocol) && url.username + url.password === "";
      return fits ? { value: url.href } : { right: range };
    },
  };
}

/** A program with its arguments; as a flag a list as in the settings file, or the program alone. Empty: none. */
export function command(): Kind<readonly string[]> {
  const range = 'a program and its arguments, such as ["/usr/local/bin/authenticate", "--strict"], or []';
  return {
    placeholder: "COMMAND",
    range,
    isPrivate: true,
    fromText: (text) => {
      if (text === "") return [];
      if (!text.startsWith("[")) return [text];
      try {
        return JSON.parse(text) as unknown;
      } catch {
        return text;
      }
    },
    read: (value, { folder }) => {
      const isTexts =
        Array.isArray(value) && value.every((part) => typeof part === "string" && !part.includes("\0"));
      if (!isTexts || value[0] === "") return { right: range };
      const [program, ...rest] = value as string[];
      // One without a slash is looked for in $PATH.
      return {
        value:
          program === undefined ? [] : [program.includes("/") ? resolve(folder, program) : program, ...rest],
      };
    },
  };
}
