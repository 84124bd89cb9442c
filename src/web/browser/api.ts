// What the server says of its channels, asked in short requests: no page holds a connection for it.

import { type ChannelName, pathOf } from "./channel.ts";

/** A channel as `/api/channels` has it. */
export interface ChannelStatus extends ChannelName {
  readonly state: "live" | "held";
  /** When its broadcast began, ISO 8601. */
  readonly since: string;
  readonly container: string;
  readonly codecs: readonly string[];
  readonly width?: number;
  readonly height?: number;
  /** Bits a second. */
  readonly bitrate: number;
  readonly watchers: number;
  readonly protected: boolean;
}

const timeoutMs = 10_000;
/** What the client takes where an address has no port. */
const usualPorts = { fstream: 61920, fstreams: 61922 };

/** All channels that this page may see. Throws if the server can't be reached. */
export async function channels(): Promise<readonly ChannelStatus[]> {
  const { channels } = (await ask("/api/channels")) as { channels: ChannelStatus[] };
  return channels;
}

/** One channel; undefined if it is not live, or not to be seen. */
export async function channelStatus(name: ChannelName): Promise<ChannelStatus | undefined> {
  try {
    return (await ask(pathOf("api/channels", name))) as ChannelStatus;
  } catch {
    return undefined;
  }
}

/**
 * The server's address for the client's command line; undefined if it has none that can be reached. Its host is the page's,
 * whatever proxy is between.
 */
export async function clientAddress(): Promise<string | undefined> {
  try {
    const { scheme, port } = (await ask("/api/address")) as {
      scheme?: keyof typeof usualPorts;
      port?: number;
    };
    if (scheme === undefined) return undefined;
    const place = port === usualPorts[scheme] ? location.hostname : `${location.hostname}:${port}`;
    return scheme === "fstream" ? place : `${scheme}://${place}`;
  } catch {
    return undefined;
  }
}

async function ask(path: string): Promise<unknown> {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(timeoutMs) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return await answer.json();
}

/** Calls `action` now and then every `everyMs` after it is done, but not while the page is hidden. */
export function repeatedly(everyMs: number, action: () => Promise<void>): void {
  let timer: number | undefined;
  const run = async () => {
    timer = undefined;
    await action();
    if (!document.hidden) timer = setTimeout(() => void run(), everyMs);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else if (timer === undefined) void run();
  });
  void run();
}
