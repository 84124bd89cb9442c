// What connections take of memory: of those that flow, of those that never read, and of those that wait.

import { type LoadOptions, measure } from "./load.ts";
import { type PeerName, withPeer } from "./peers.ts";
import { residentBytes } from "./probe.ts";
import { firstLine, loadCpu, start } from "./process.ts";
import { addFigure, type Results } from "./results.ts";
import type { Tools } from "./running.ts";

const backlogBytes = 16 * 2 ** 20;
const silent = 500;
const waiting = 10_000;

export const flowingName = "1000 watchers of 4 Mbit/s: memory of the process without the backlog, MB";
export const flowingKernelName = "1000 watchers of 4 Mbit/s: memory of the kernel for its sockets, MB";
export const silentName = "500 that never read: memory of process and kernel for each, KiB";
export const silentOtherName = "500 that never read: share of its bytes that the active reader gets";
export const waitingName = "10,000 that wait without a stream: memory of the process for each, KB";

/** A thousand watchers, for long enough that garbage would show. */
export async function flowing(tools: Tools, peer: PeerName, results: Results): Promise<void> {
  const options: LoadOptions = { watchers: 1000, stream: 4e6, warm: 1, seconds: 10, check: 1 };
  const measured = await withPeer(peer, tools, {}, (server) => measure(tools.load, server, options));
  // All that was sent is in the backlog, as far as it goes.
  const sent = ((options.warm + options.seconds) * 4e6) / 8;
  const process = measured.residentBytes - Math.min(sent, backlogBytes);
  addFigure(results, flowingName, peer, process / 1e6);
  addFigure(results, flowingKernelName, peer, measured.socketBytes / 1e6);
}

/** Of a fast stream, so that those who do not read are lapped. What the process grows by is counted without the backlog. */
export async function neverReading(tools: Tools, peer: PeerName, results: Results): Promise<void> {
  await withPeer(peer, tools, {}, async (server) => {
    const before = residentBytes(server.pid);
    const options: LoadOptions = { watchers: 1, silent, stream: 40e6, warm: 1, seconds: 8, check: 1 };
    const measured = await measure(tools.load, server, options);
    const grown = measured.residentBytes - before - backlogBytes;
    addFigure(results, silentName, peer, (grown + measured.socketBytes) / silent / 1024);
    addFigure(results, silentOtherName, peer, measured.complete === 1 ? 1 : measured.delivered);
  });
}

export async function waitingOnes(tools: Tools, peer: PeerName, results: Results): Promise<void> {
  await withPeer(peer, tools, {}, async (server) => {
    const before = residentBytes(server.pid);
    const command = [tools.load, "wait", "--port", `${server.port}`, "--watchers", `${waiting}`];
    const load = start(command, { cpu: loadCpu });
    await firstLine(load, "the load", 90_000);
    // What is left of the handshakes goes when the collector has been there.
    await Bun.sleep(3000);
    addFigure(results, waitingName, peer, (residentBytes(server.pid) - before) / waiting / 1e3);
    load.kill("SIGKILL");
    await load.exited;
  });
}
