// The client in the specification works as it stands there, and ends in words where there is nothing to read.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FstreamError } from "../../src/errors.ts";
import { encodeError, encodeOk } from "../../src/protocol/reply.ts";

const specification = readFileSync(join(import.meta.dir, "../../src/protocol/README.md"), "utf8");
const sample = /```python\n([^]*?)```/.exec(specification)?.[1] ?? "";
const python = Bun.which("python3");

/** Runs the sample against a server that answers each request with `answer` and a FIN. */
async function run(answer: Uint8Array) {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        socket.write(answer);
        socket.end();
      },
    },
  });
  const program = sample.replace("61920", String(listener.port));
  const child = Bun.spawn([python ?? "python3", "-c", program], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const exit = await child.exited;
  listener.stop(true);
  return { exit, stdout, stderr: stderr.trim() };
}

describe.skipIf(python === null)("the sample client", () => {
  test("writes the stream to stdout", async () => {
    const answer = Buffer.concat([encodeOk([["id", "abc"]]), Buffer.from("a stream")]);
    expect(await run(answer)).toEqual({ exit: 0, stdout: "a stream", stderr: "" });
  });

  test("says why it was refused", async () => {
    const { exit, stderr } = await run(encodeError(new FstreamError("not_live", "nothing is there")));
    expect({ exit, stderr }).toEqual({ exit: 1, stderr: "error,code=not_live,message*=nothing is there" });
  });

  test("says so where the connection is closed without a byte", async () => {
    expect(await run(new Uint8Array(0))).toEqual({ exit: 1, stdout: "", stderr: "closed without a reply" });
  });
});
