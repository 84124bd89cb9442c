// The load follows the frames of an FLV through a server that takes it apart. The server here is one that can be told to spoil
// some of them on their way; it needs gcc.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const sources = ["load.c", "watcher.c", "broadcaster.c", "frames.c", "stream.c", "measure.c", "rtmp.c"];
const gcc = process.platform === "linux" ? Bun.which("gcc") : null;
const folder = mkdtempSync(join(tmpdir(), "fstream-frames-"));
const load = join(folder, "load");
const flvPath = join(folder, "stream.flv");

type Tag = { readonly type: number; readonly ms: number; readonly body: Uint8Array };

const audio = 8;
const video = 9;
const frameCount = 60;

function body(head: readonly number[], bytes: number): Uint8Array {
  return Uint8Array.from([...head, ...crypto.getRandomValues(new Uint8Array(bytes))]);
}

/** Sequence headers, and then a picture each 20 ms with sound beside it, of random bytes. */
function tags(): Tag[] {
  const headers: Tag[] = [
    { type: video, ms: 0, body: body([0x17, 0], 40) },
    { type: audio, ms: 0, body: body([0xaf, 0], 10) },
  ];
  const frames = Array.from({ length: frameCount }, (_, i): Tag[] => [
    { type: video, ms: i * 20, body: body([i % 25 === 0 ? 0x17 : 0x27, 1], 9000) },
    { type: audio, ms: i * 20, body: body([0xaf, 1], 300) },
  ]);
  return [...headers, ...frames.flat()];
}

function bytesOf({ type, ms, body }: Tag): Buffer {
  const bytes = Buffer.alloc(11 + body.length + 4);
  bytes[0] = type;
  bytes.writeUIntBE(body.length, 1, 3);
  bytes.writeUIntBE(ms, 4, 3);
  bytes.set(body, 11);
  bytes.writeUInt32BE(11 + body.length, 11 + body.length);
  return bytes;
}

function chunk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}

const flvHeader = Buffer.from("464c5601050000000900000000", "hex");
const sent = tags();

/** Takes the FLV in fstream's protocol on one port, and gives it in chunks of HTTP on another, a tag as `change` has it. */
function serve(change: (tag: Tag, number: number) => Tag | undefined) {
  const watchers = new Set<{ write(bytes: Uint8Array): number }>();
  let unread = Buffer.alloc(0);
  let numbers = 0;
  let skipped = false;
  const out = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        if (watchers.has(socket)) return;
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        socket.write(chunk(flvHeader));
        watchers.add(socket);
      },
    },
  });
  const into = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(_, data) {
        unread = Buffer.concat([unread, data]);
        const at = skipped ? 0 : unread.indexOf(flvHeader);
        if (at < 0) return;
        unread = unread.subarray(skipped ? 0 : at + flvHeader.length);
        skipped = true;
        while (unread.length >= 15 && unread.length >= 15 + unread.readUIntBE(1, 3)) {
          const end = 15 + unread.readUIntBE(1, 3);
          const tag = { type: unread[0], ms: unread.readUIntBE(4, 3), body: unread.subarray(11, end - 4) };
          unread = unread.subarray(end);
          const changed = change(tag, numbers++);
          if (changed !== undefined) for (const watcher of watchers) watcher.write(chunk(bytesOf(changed)));
        }
      },
    },
  });
  return { port: out.port, broadcastPort: into.port, stop: () => [out, into].forEach((l) => l.stop(true)) };
}

async function follow(change: (tag: Tag, number: number) => Tag | undefined) {
  const server = serve(change);
  const flags =
    `--port ${server.port} --broadcast-port ${server.broadcastPort} --kind http-flv --broadcast-kind fstream ` +
    `--path /live --watchers 3 --check 1 --warm 0 --seconds ${(frameCount * 20) / 1000} --flv ${flvPath}`;
  const run = Bun.spawn([load, "run", ...flags.split(" ")], { stdin: "ignore", stdout: "pipe" });
  const text = await new Response(run.stdout).text();
  server.stop();
  const { complete, gaps, gapBytes, damages, rewritten, delays } = JSON.parse(text) as Record<string, number>;
  return { complete, gaps, gapBytes, damages, rewritten, hasDelays: delays > 0 };
}

beforeAll(() => {
  if (gcc === null) return;
  const built = Bun.spawnSync([gcc, "-O1", "-std=gnu11", "-o", load, ...sources], { cwd: import.meta.dir });
  if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  writeFileSync(flvPath, Buffer.concat([flvHeader, ...sent.map(bytesOf)]));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const whole = { complete: 3, gaps: 0, gapBytes: 0, damages: 0, rewritten: 0, hasDelays: true };

test.skipIf(gcc === null)("each watcher's frames are known for those that were sent", async () => {
  expect(await follow((tag) => tag)).toEqual(whole);
});

test.skipIf(gcc === null)("a frame that is lost is a gap", async () => {
  const lost = await follow((tag, number) => (number === 40 ? undefined : tag));
  expect(lost).toEqual({ ...whole, complete: 0, gaps: 3, gapBytes: 3 * sent[40].body.length });
});

test.skipIf(gcc === null)("a byte that is another is damage", async () => {
  const spoilt = await follow((tag, number) =>
    number === 40 ? { ...tag, body: tag.body.map((byte, at) => (at === 100 ? byte ^ 1 : byte)) } : tag,
  );
  expect(spoilt).toEqual({ ...whole, complete: 0, damages: 3 });
});

test.skipIf(gcc === null)("a frame with more before it is still that frame", async () => {
  const rewritten = await follow((tag, number) =>
    number === 40 ? { ...tag, body: Uint8Array.from([0x27, 1, 7, 7, 7, ...tag.body.subarray(2)]) } : tag,
  );
  expect(rewritten).toEqual({ ...whole, rewritten: 3 });
});
