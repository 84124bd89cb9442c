// Runs blocks of docs/recipes.md: a server, and a folder with the files that the recipes speak of and programs in place of those that
// need a device or a screen.

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { documentOf } from "./document.ts";
import { program, type Run, TestServer, until } from "./program.ts";

export const page = documentOf("recipes.md");
/** Whether the programs are there that the recipes need. */
export const canRun = ["ffmpeg", "ffprobe", "pv", "jq", "timeout", "bash"].every(
  (name) => Bun.which(name) !== null,
);
/** For all that is made here. */
export const root = mkdtempSync(join(tmpdir(), "fstream-recipes-"));
/** Inputs of ffmpeg in place of a camera and a microphone. */
export const picture = "-f lavfi -i testsrc2=size=320x180:rate=30";
export const tone = "-f lavfi -i sine=440";
/** The blocks that were run. */
export const seen = new Set<string>();

/** Quotes for a shell. */
function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
}

function put(name: string, script: string): void {
  const path = join(root, "bin", name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

function ffmpeg(...options: readonly string[]): void {
  const words = options.flatMap((option) => option.split(" "));
  const made = Bun.spawnSync(["ffmpeg", "-v", "error", "-y", ...words], {
    cwd: join(root, "files"),
    stdin: "ignore",
  });
  if (made.exitCode !== 0) throw new Error(`ffmpeg ${options.join(" ")}: ${made.stderr.toString()}`);
}

/** Makes the files and programs. */
export function prepare(): void {
  mkdirSync(join(root, "bin"));
  mkdirSync(join(root, "files/films"), { recursive: true });
  put("fstream", `exec ${quoted(program)} "$@"`);
  put("rpicam-vid", "exec cat camera.h264");
  // A player: it ends when the stream does, and fails where it can't be played.
  for (const name of ["ffplay", "mpv"]) put(name, "exec ffmpeg -v error -i - -f null -");
  const x264 = "-t 2 -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 30";
  ffmpeg(picture, tone, x264, "-c:a aac film.mp4");
  for (const name of ["1", "2"]) ffmpeg(picture, tone, x264, `-c:a aac films/${name}.mp4`);
  ffmpeg(picture, x264, "-bf 0 -f h264 camera.h264");
  ffmpeg(tone, "-t 2 album.flac");
  writeFileSync(join(root, "files/data.bin"), new Uint8Array(500_000).fill(7));
}

/** A server, and a folder in which blocks of the page are run against it. */
export class Place {
  readonly #server: TestServer;
  readonly folder: string;

  private constructor(server: TestServer) {
    this.#server = server;
    this.folder = mkdtempSync(join(root, "run-"));
    for (const name of readdirSync(join(root, "files")))
      symlinkSync(join(root, "files", name), join(this.folder, name));
  }

  static async open(fstream = ""): Promise<Place> {
    const listeners = {
      listen: "127.0.0.1:0",
      tls_listen: "127.0.0.1:0",
      https_listen: "127.0.0.1:0",
      http_listen: "127.0.0.1:0",
    };
    return new Place(await TestServer.start({ listeners, fstream }));
  }

  get server(): TestServer {
    return this.#server;
  }

  /** The block that begins so, with what is to be changed in it. */
  block(beginning: string, changes: Readonly<Record<string, string>> = {}, language = "sh"): string {
    const server = this.#server;
    seen.add(page.block(language, beginning));
    let block = page.block(language, beginning, changes);
    for (const [from, to] of [
      ["fstreams://relay.example:61922", `fstreams://127.0.0.1:${server.port("tls")}`],
      ["https://relay.example:61921", `https://127.0.0.1:${server.port("https")}`],
      ["relay.example:61920", server.address],
      ["localhost:61920", server.address],
    ])
      block = block.replaceAll(from, to);
    return block;
  }

  /** A shell that runs it, and ends with all that it has started. */
  start(block: string, shell = "sh") {
    const run = Bun.spawn(["timeout", "90", shell, "-c", block], {
      cwd: this.folder,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: {
        PATH: `${join(root, "bin")}:${process.env.PATH}`,
        CONFIGURATION_DIRECTORY: "/nowhere",
        fserv_arg_user: "fier",
        fserv_arg_user_password: "123",
        pin: this.#server.fingerprint,
      },
    });
    const output = Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
    return {
      /** Waits for its end. */
      done: async () => {
        const [stdout, stderr, status] = await output;
        return { stdout, stderr, status };
      },
      /** Ends it. */
      stop: async () => {
        run.kill("SIGTERM");
        await output;
      },
    };
  }

  async finish(block: string, shell = "sh"): Promise<{ stdout: string; status: number }> {
    const { stdout, stderr, status } = await this.start(block, shell).done();
    if (status !== 0) throw new Error(`exit ${status}: ${stderr}\n${this.#server.run.stderr}`);
    return { stdout, status };
  }

  /** A watcher that is there before the broadcast. */
  async watcher(channel: string): Promise<Run> {
    const before = await this.#waiting();
    const run = this.#server.watch({ fserv_arg_channel: channel }, "--wait");
    await until("a watcher waits", async () => (await this.#waiting()) > before);
    return run;
  }

  /** Another that waits. */
  async waits(count: number): Promise<void> {
    await until(`${count} wait`, async () => (await this.#waiting()) >= count);
  }

  async #waiting(): Promise<number> {
    const metrics = await (await fetch(`http://127.0.0.1:${this.#server.port("http")}/metrics`)).text();
    return Number(/^fstream_waiting_watchers (\d+)/m.exec(metrics)?.[1] ?? 0);
  }

  /** The codecs of a file in the folder, as ffprobe sees them. */
  codecs(name: string): string {
    const probe = Bun.spawnSync(
      [
        "ffprobe",
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name",
        "-of",
        "csv=p=0",
        join(this.folder, name),
      ],
      { stdin: "ignore" },
    );
    return Array.from(new Set(probe.stdout.toString().trim().split(/\s+/)))
      .sort()
      .join(" ");
  }

  async close(): Promise<void> {
    await this.#server.stop();
  }
}
