// Runs the load generator (load.c) against a server, and looks at the server's memory while everybody is still there.

import { residentBytes, socketBytes } from "./probe.ts";
import { firstLine, loadCpu, start } from "./process.ts";
import type { Running } from "./running.ts";

export interface LoadOptions {
  /** Streams, each with a broadcaster, to which the watchers are distributed; 1 if left out. */
  readonly channels?: number;
  readonly watchers: number;
  /** Bits a second of 1316-byte blocks, 0 without a pace; or the path of an FLV file. */
  readonly stream: number | string;
  /** Seconds of the stream before the measurement, and of that. */
  readonly warm: number;
  readonly seconds: number;
  /** One watcher in so many has its bytes checked. */
  readonly check: number;
  /** Watchers that never read. */
  readonly silent?: number;
  /** Watchers that come during the measurement, and how far apart, milliseconds. */
  readonly joiners?: number;
  readonly joinersApartMs?: number;
}

/** What load.c prints, see there. */
interface Printed {
  readonly seconds: number;
  readonly bytes: number;
  /** What was sent meanwhile, by as many watchers as there are of it. */
  readonly sentBytes: number;
  readonly cpuSeconds: number;
  readonly ownCpuSeconds: number;
  readonly delays: number;
  readonly delayMedianMs: number;
  readonly delay99Ms: number;
  readonly delayMaxMs: number;
  readonly watchers: number;
  readonly checked: number;
  readonly complete: number;
  readonly closed: number;
  readonly unserved: number;
  readonly refused: number;
  readonly gaps: number;
  readonly gapBytes: number;
  readonly damages: number;
  readonly leadBytes: number;
  /** Frames that came with another length than they were sent with. */
  readonly rewritten: number;
  readonly joined: number;
  readonly firstByteMedianMs: number;
  readonly firstByteMaxMs: number;
  readonly lateMs: number;
}

export interface Measured extends Printed {
  /** Server CPU seconds for each GB (10^9 bytes) that watchers got. */
  readonly cpuPerGb: number;
  /** Gbit/s that watchers got. */
  readonly gigabits: number;
  /** Of what was sent meanwhile, the share that watchers got. */
  readonly delivered: number;
  /** The share of its CPU that the load took. */
  readonly loadShare: number;
  /** The share of its CPU that the server took. */
  readonly serverShare: number;
  /** The server process's memory at the end, and the kernel's for its sockets, bytes. */
  readonly residentBytes: number;
  readonly socketBytes: number;
}

export async function measure(load: string, server: Running, options: LoadOptions): Promise<Measured> {
  const { stream } = options;
  const flags =
    `--port ${server.port} --broadcast-port ${server.broadcastPort} --kind ${server.kind} ` +
    `--path ${server.path} --broadcast-kind ${server.broadcastKind} ` +
    `--tls ${server.tls ? 1 : 0} --pid ${server.pid} --channels ${options.channels ?? 1} --watchers ${options.watchers} ` +
    `--silent ${options.silent ?? 0} --joiners ${options.joiners ?? 0} ` +
    `--joiners-apart ${options.joinersApartMs ?? 100} --check ${options.check} ` +
    `--warm ${options.warm} --seconds ${options.seconds}`;
  const source = typeof stream === "string" ? ["--flv", stream] : ["--bitrate", `${stream}`];
  const loader = start([load, "run", ...flags.split(" "), ...source], { cpu: loadCpu });
  const printed = JSON.parse(
    await firstLine(loader, "the load", 90_000 + (options.warm + options.seconds) * 1000),
  ) as Printed;
  const memory = { residentBytes: residentBytes(server.pid), socketBytes: socketBytes(server.port) };
  loader.kill("SIGKILL");
  await loader.exited;
  return {
    ...printed,
    ...memory,
    cpuPerGb: printed.cpuSeconds / (printed.bytes / 1e9),
    gigabits: (printed.bytes * 8) / 1e9 / printed.seconds,
    delivered: printed.bytes / printed.sentBytes,
    serverShare: printed.cpuSeconds / printed.seconds,
    loadShare: printed.ownCpuSeconds / printed.seconds,
  };
}
