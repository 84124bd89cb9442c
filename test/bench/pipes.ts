// How fast the pipes are: a source of checkable bytes, a sink that checks them, and between them
//
//   socat     socat -b 65536 | a relay that is a socat | socat -b 65536
//   clients   fstream broadcast | the same relay | fstream watch
//   fstream   fstream broadcast | fstream serve | fstream watch
//
// The socat relay only goes from the broadcaster to the watcher: it answers neither client, which both put up with, since they speak
// the original protocol as well. A watcher of
// fstream's server that is slower than the source skips, so what counts there is what it got. Nothing is pinned to a CPU.

import { join } from "node:path";
import { startPeer } from "./peers.ts";
import { firstLine, type Started, start, stop } from "./process.ts";
import { addFigure, type Results } from "./results.ts";
import { freePorts, listens, newFolder, type Tools } from "./running.ts";

export const pipesName = "pipes: MB/s";
const pipesShareName = "pipes: share of the bytes that arrives";

const bytes = 3e9;

type Way = "socat" | "clients" | "fstream";

export async function pipes(tools: Tools, way: Way, results: Results): Promise<void> {
  const relay = way === "fstream" ? await ownRelay(tools) : await socatRelay();
  const folder = newFolder();
  const [into, outOf] = ["into", "out"].map((name) => join(folder, name));
  Bun.spawnSync(["mkfifo", into, outOf]);
  const { port, broadcastPort } = relay;
  const watch =
    way === "socat"
      ? `socat -u -b 65536 TCP:127.0.0.1:${port} -`
      : `"$0" 127.0.0.1:${port} watch --user bench --wait=20s --quiet`;
  const broadcast =
    way === "socat"
      ? `socat -u -b 65536 - TCP:127.0.0.1:${broadcastPort}`
      : `"$0" 127.0.0.1:${broadcastPort} broadcast --user bench --user-password bench --quiet`;
  const sink = startEnd(`"$0" sink < "$1"`, tools.load, outOf);
  const others = [startEnd(`${watch} > "$1"`, tools.fstream, outOf)];
  try {
    await relay.joined();
    others.push(startEnd(`"$0" source ${bytes} > "$1"`, tools.load, into));
    others.push(startEnd(`${broadcast} < "$1"`, tools.fstream, into));
    const line = await firstLine(sink, `the pipe of ${way}`, 60_000);
    const got = JSON.parse(line) as { bytes: number; seconds: number; damages: number; gaps: number };
    if (got.damages > 0 || (way !== "fstream" && got.gaps > 0))
      throw new Error(`pipes through ${way} lost or broke bytes: ${line}`);
    addFigure(results, pipesName, way, got.bytes / 1e6 / got.seconds);
    addFigure(results, pipesShareName, way, Math.min(1, got.bytes / bytes));
  } finally {
    await relay.stop();
    for (const process of [sink, ...others]) await stop(process);
  }
}

/** A process of a pipeline, by itself so that it can be ended: `$0` is the program in the command, `$1` a named pipe. */
function startEnd(command: string, program: string, pipe: string): Started {
  return start(["sh", "-c", `exec ${command} 2> /dev/null`, program, pipe]);
}

interface PipeRelay {
  readonly port: number;
  readonly broadcastPort: number;
  /** Resolves when the watcher is there and a broadcaster can come. */
  joined(): Promise<void>;
  stop(): Promise<void>;
}

async function ownRelay(tools: Tools): Promise<PipeRelay> {
  return { ...(await startPeer("fstream", tools)), joined: () => Bun.sleep(300) };
}

/** A socat that joins two connections: it takes the watcher's first, and only then listens for the broadcaster. */
async function socatRelay(): Promise<PipeRelay> {
  const [port, broadcastPort] = freePorts();
  const relay = start(["socat", "-U", "-b", "65536", socatListener(port), socatListener(broadcastPort)]);
  await listens(port);
  return {
    port,
    broadcastPort,
    joined: () => listens(broadcastPort),
    stop: () => stop(relay),
  };
}

function socatListener(port: number): string {
  return `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr`;
}
