// The demonstration that scripts/demo runs: the built binary as server, broadcaster and watchers, over loopback. The film
// (FLV: Adobe Flash Video File Format Specification 10.1, annex E) is sent in real time, over and over, with its
// timestamps going on. One watcher is there from the first byte, one joins late; both are compared with what was sent.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Subprocess } from "bun";

const root = join(import.meta.dir, "..");
const program = join(root, "dist/fstream");
const password = crypto.randomUUID();
const login = { fserv_arg_user: "demo", fserv_arg_user_password: password };
/** How much of the stream a late joiner is compared with, and when it comes and goes, seconds. */
const lateComes = 1.5;
const lateStays = 2;
const flvHeaderBytes = 13;
const tagHeaderBytes = 11;

function say(line: string): void {
  console.log(line);
}

interface Tag {
  readonly bytes: Uint8Array;
  readonly ms: number;
}

/** The tags of an FLV file, each with the four bytes of size behind it, and how long they take together. */
function tagsOf(file: Uint8Array): { tags: Tag[]; lengthMs: number } {
  const tags: Tag[] = [];
  for (let at = flvHeaderBytes; at + tagHeaderBytes < file.length; ) {
    const size = (file[at + 1] << 16) | (file[at + 2] << 8) | file[at + 3];
    const ms = (file[at + 7] << 24) | (file[at + 4] << 16) | (file[at + 5] << 8) | file[at + 6];
    const end = at + tagHeaderBytes + size + 4;
    tags.push({ bytes: file.subarray(at, end), ms });
    at = end;
  }
  const times = tags.map((tag) => tag.ms);
  return { tags, lengthMs: Math.max(...times) + 40 };
}

function withTime(tag: Tag, ms: number): Uint8Array {
  const bytes = tag.bytes.slice();
  bytes.set([(ms >> 16) & 255, (ms >> 8) & 255, ms & 255, (ms >> 24) & 255], 4);
  return bytes;
}

// Each process is in a group of its own (`detached`): Ctrl-C is for the demonstration, which then ends them in order.

/** A watcher's process, and what it has received. */
class Watcher {
  readonly process: Subprocess<"ignore", "pipe", "inherit">;
  readonly done: Promise<void>;
  readonly #took: (bytes: Uint8Array) => void;

  constructor(address: string, took: (bytes: Uint8Array) => void) {
    const environment = { ...process.env, fserv_arg_user: "demo" };
    this.#took = took;
    this.process = Bun.spawn([program, address, "watch", "--wait", "--quiet"], {
      env: environment,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
      detached: true,
    });
    this.done = this.#read();
  }

  async #read(): Promise<void> {
    for await (const chunk of this.process.stdout) this.#took(chunk);
  }
}

/** Compares what arrives with what was sent, byte by byte, and keeps only what was sent and has not arrived. */
class Comparison {
  readonly #sent: Uint8Array[] = [];
  #within = 0;
  arrived = 0;
  intact = true;

  sent(bytes: Uint8Array): void {
    this.#sent.push(bytes);
  }

  took(bytes: Uint8Array): void {
    this.arrived += bytes.length;
    for (let at = 0; at < bytes.length && this.intact; ) {
      const next = this.#sent[0];
      if (next === undefined) {
        this.intact = false;
        return;
      }
      const count = Math.min(next.length - this.#within, bytes.length - at);
      const expected = next.subarray(this.#within, this.#within + count);
      this.intact = Buffer.compare(expected, bytes.subarray(at, at + count)) === 0;
      at += count;
      this.#within += count;
      if (this.#within === next.length) {
        this.#sent.shift();
        this.#within = 0;
      }
    }
  }

  get missing(): number {
    return this.#sent.reduce((sum, bytes) => sum + bytes.length, -this.#within);
  }
}

/** Whether a late joiner's bytes are a short header and then a piece of the stream, to the last byte. */
function isPieceOf(stream: Uint8Array, bytes: Uint8Array): boolean {
  for (let header = 0; header < Math.min(4096, bytes.length - 1000); header++) {
    if (Buffer.from(stream.buffer, stream.byteOffset, stream.length).indexOf(bytes.subarray(header)) >= 0)
      return true;
  }
  return false;
}

/** The addresses of its listeners for the protocol, and for pages. */
interface RunningServer {
  readonly server: Subprocess;
  readonly address: string;
  readonly site: string;
}

async function startServer(folder: string): Promise<RunningServer> {
  mkdirSync(join(folder, "users"));
  writeFileSync(join(folder, "users", "demo.toml"), `password = "${password}"\n`);
  writeFileSync(
    join(folder, "fstream.toml"),
    '[server]\nlisten = "127.0.0.1:0"\nhttps_listen = ""\nhttp_listen = "127.0.0.1:0"\n',
  );
  const server = Bun.spawn([program, "serve"], {
    cwd: folder,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "pipe",
    detached: true,
  });
  const ready = Promise.withResolvers<RunningServer>();
  const read = async () => {
    let words = "";
    const decoder = new TextDecoder();
    for await (const chunk of server.stderr) {
      words += decoder.decode(chunk, { stream: true });
      const [tcp, http] = ["tcp", "http"].map(
        (name) => new RegExp(`listening on ${name} (\\S+)\n`).exec(words)?.[1],
      );
      if (words.includes("ready\n") && tcp !== undefined)
        ready.resolve({ server, address: tcp, site: `http://${http}` });
    }
    ready.reject(new Error(`the server did not start: ${words}`));
  };
  read().catch((error) => ready.reject(error));
  return await ready.promise;
}

async function demonstrate(seconds: number | undefined, folder: string): Promise<boolean> {
  const { server, address, site } = await startServer(folder);
  say(`A server listens on ${address}.`);
  const comparison = new Comparison();
  const first = new Watcher(address, (bytes) => comparison.took(bytes));
  const broadcaster = Bun.spawn([program, address, "broadcast", "--quiet"], {
    env: { ...process.env, ...login },
    stdin: "pipe",
    stdout: "inherit",
    stderr: "inherit",
    detached: true,
  });
  say("A broadcaster sends it a film in a loop. Watch it yourself:\n");
  say(`    ${program} ${address} watch --user demo | ffplay -i -\n`);
  say(`or in a browser, at ${site}/play/demo\n`);

  const film = await Bun.file(join(root, "test/fixtures/demo.flv")).bytes();
  const { tags, lengthMs } = tagsOf(film);
  const beginning: Uint8Array[] = [];
  const lateBytes: Uint8Array[] = [];
  let late: Watcher | undefined;
  let interrupted = false;
  process.once("SIGINT", () => {
    interrupted = true;
  });
  const startedMs = performance.now();
  const elapsed = () => (performance.now() - startedMs) / 1000;
  const over = () => interrupted || (seconds !== undefined && elapsed() >= seconds);
  let told = 0;
  const send = async (bytes: Uint8Array) => {
    comparison.sent(bytes);
    if (elapsed() < lateComes + lateStays + 1) beginning.push(bytes);
    await broadcaster.stdin.write(bytes);
    await broadcaster.stdin.flush();
  };

  await send(film.subarray(0, flvHeaderBytes));
  for (let round = 0; !over(); round++) {
    for (const tag of tags) {
      const isMetadata = tag.bytes[0] === 18;
      if (round > 0 && isMetadata) continue;
      const ms = round * lengthMs + tag.ms;
      const aheadMs = ms - elapsed() * 1000;
      if (aheadMs > 5) await Bun.sleep(aheadMs);
      if (over()) break;
      await send(withTime(tag, ms));
      if (late === undefined && elapsed() >= lateComes)
        late = new Watcher(address, (bytes) => lateBytes.push(bytes));
      if (late !== undefined && elapsed() >= lateComes + lateStays) late.process.kill();
      if (elapsed() >= told + 1) {
        told = Math.floor(elapsed());
        const kilobytes = Math.round(comparison.arrived / 1000);
        say(
          `${told} s: ${kilobytes} kB arrived, ${comparison.intact ? "every byte as it was sent" : "NOT as they were sent"}`,
        );
      }
    }
  }

  await broadcaster.stdin.end();
  const broadcasterStatus = await broadcaster.exited;
  await first.done;
  const firstStatus = await first.process.exited;
  late?.process.kill();
  await late?.done;
  const whole = comparison.intact && comparison.missing === 0 && comparison.arrived > 0;
  const lateWhole = late === undefined || isPieceOf(Buffer.concat(beginning), Buffer.concat(lateBytes));
  say(
    `\nThe first watcher got ${whole ? "all" : "NOT all"} of ${comparison.arrived + comparison.missing} bytes, in order.`,
  );
  if (late !== undefined) {
    say(`One that joined late began with a header and a keyframe: ${lateWhole ? "intact" : "NOT INTACT"}.`);
  }
  server.kill("SIGTERM");
  const serverStatus = await server.exited;
  return whole && lateWhole && broadcasterStatus === 0 && firstStatus === 0 && serverStatus === 0;
}

const { values } = parseArgs({ options: { seconds: { type: "string" } } });
const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
if (seconds !== undefined && !(seconds > 0)) {
  console.error("demo: --seconds takes a number above 0");
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "fstream-demo-"));
try {
  process.exitCode = (await demonstrate(seconds, folder)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
