// What a server is to those who measure it, and what it takes to start one: programs, a folder, and ports of the loopback interface.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { folder, until } from "./process.ts";

/** A server that listens. */
export interface Running {
  readonly pid: number;
  readonly port: number;
  readonly broadcastPort: number;
  /** What watchers speak, and what the broadcaster does; the path is for HTTP. */
  readonly kind: "fstream" | "http" | "websocket" | "http-flv" | "rtmp";
  readonly broadcastKind: "fstream" | "http" | "rtmp";
  readonly path: string;
  readonly tls: boolean;
  stop(): Promise<void>;
}

/** What is installed and built here, by path. */
export interface Tools {
  readonly fstream: string;
  readonly fanout: string;
  readonly load: string;
  readonly icecast: string | undefined;
  readonly nginx: { readonly binary: string; readonly rtmpModule: string } | undefined;
  readonly srs: string | undefined;
  readonly mediamtx: string | undefined;
}

let made = 0;

/** A new folder in this run's. */
export function newFolder(): string {
  const path = join(folder, `${made++}`);
  mkdirSync(path);
  return path;
}

/** Two ports that are free at the moment, for a server that can't be asked to choose one itself. */
export function freePorts(): [number, number] {
  const listeners = [0, 0].map((port) => Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }));
  const ports = listeners.map((listener) => listener.port);
  for (const listener of listeners) listener.stop(true);
  return [ports[0], ports[1]];
}

/** Whether an HTTP server answers, whatever it says: Icecast listens before it can. */
export async function answers(url: string): Promise<true | undefined> {
  try {
    await fetch(url, { tls: { rejectUnauthorized: false } });
    return true;
  } catch {
    return undefined;
  }
}

/** Resolves when a program listens on the port; to connect in order to see it can be to take a place. */
export async function listens(port: number): Promise<void> {
  await until(`a server to listen on ${port}`, 5000, () =>
    Bun.spawnSync(["ss", "-tlnH", `( sport = :${port} )`]).stdout.length > 0 ? true : undefined,
  );
}
