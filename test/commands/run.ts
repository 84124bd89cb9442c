// Starts the driver as a process and gives what came of it; stdout and stderr are held apart.

import { join } from "node:path";

export const driver = join(import.meta.dir, "driver.ts");

/** What a process left behind. */
export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs `argv` of the driver in `cwd` with `stdin` as its whole input. */
export async function run(cwd: string, argv: readonly string[], stdin = ""): Promise<Outcome> {
  const child = Bun.spawn([process.execPath, driver, ...argv], {
    cwd,
    stdin: new TextEncoder().encode(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}
