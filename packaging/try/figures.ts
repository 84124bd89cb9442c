// Measures the program that FSTREAM_BIN names, which may be the script of an emulator: how long it takes to start, and how fast 100 MB go
// through a broadcaster, the server and a watcher. Prints one line. In a process of its own, since the tests' program is fixed there.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noise, program, Run, sha256, TestServer } from "../../test/e2e/program.ts";

const bytes = noise(100_000_000);
const folder = mkdtempSync(join(tmpdir(), "fstream-figures-"));
const sent = join(folder, "sent");
const received = join(folder, "received");

async function startMs(): Promise<number> {
  const beganMs = performance.now();
  await new Run(["--version"]).exit();
  return performance.now() - beganMs;
}

/** From file to file. */
async function throughputMs(): Promise<number> {
  await Bun.write(sent, bytes);
  const server = await TestServer.start({ fstream: 'backlog = "256MiB"\nmax_lag = "0s"\n' });
  const client = (verb: string, ...flags: string[]) => [
    ...program,
    server.address,
    verb,
    "--quiet",
    ...flags,
  ];
  const env = { PATH: process.env.PATH ?? "", fserv_arg_user: "fier", fserv_arg_user_password: "123" };
  const watcher = Bun.spawn(client("watch", "--wait"), { env, stdin: "ignore", stdout: Bun.file(received) });
  await server.watched("fier/default", 1);
  const beganMs = performance.now();
  const broadcast = Bun.spawn(client("broadcast"), { env, stdin: Bun.file(sent) });
  const statuses = [await broadcast.exited, await watcher.exited];
  const tookMs = performance.now() - beganMs;
  await server.stop();
  if (statuses.some((status) => status !== 0)) throw new Error(`exit statuses ${statuses.join(" and ")}`);
  if (sha256(await Bun.file(received).bytes()) !== sha256(bytes))
    throw new Error("what came is not what was sent");
  return tookMs;
}

const starts: number[] = [];
for (let count = 0; count < 5; count++) starts.push(await startMs());
const megabytesPerSecond = Math.round(bytes.length / 1000 / (await throughputMs()));
console.log(
  `starts in ${Math.round(Math.min(...starts))} ms; 100 MB sent and watched at ${megabytesPerSecond} MB/s`,
);
rmSync(folder, { recursive: true });
