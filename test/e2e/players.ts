// Players that people watch with, run without a screen or a sound card: how each is started, how one sees that it plays, and what it
// says that means nothing. Those that are not installed are left out.

import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whom a player trusts: a certificate in a file, and in a folder that has nothing else in it. */
export interface Trust {
  readonly file: string;
  readonly folder: string;
}

interface Output {
  readonly stdout: string;
  readonly stderr: string;
  /** Bytes on stdout. */
  readonly length: number;
}

export interface Player {
  readonly name: string;
  /** The command that plays `url` until its stream ends, and then ends by itself. */
  readonly command: (url: string, trust: Trust) => readonly string[];
  /** Whether it has played for about two seconds. */
  readonly plays: (output: Output) => boolean;
  /** What it is asked on stdin, again and again, so that it says how far it is. */
  readonly question?: string;
  /** Lines of stderr that it has for every stream, or at the end of any whose length was not announced. */
  readonly usual: RegExp;
  readonly environment?: Readonly<Record<string, string>>;
}

const playedSeconds = 2;
/** ffmpeg's library says so at the end of whatever has no Content-Length. */
const lavfEnd = /Stream ends prematurely|Input\/output error|Read error at pos|Last message repeated/;

function lavfTrust({ file }: Trust): readonly string[] {
  return ["-ca_file", file, "-tls_verify", "1"];
}

function isSecure(url: string): boolean {
  return url.startsWith("https:");
}

/** Whether the numbers that `pattern` finds go up by as much as is to be played. */
function advances(text: string, pattern: RegExp): boolean {
  const numbers = [...text.matchAll(pattern)].map(([, number]) => Number(number)).filter(Number.isFinite);
  return numbers.length > 1 && numbers[numbers.length - 1] - numbers[0] >= playedSeconds;
}

function most(text: string, pattern: RegExp): number {
  return Math.max(0, ...[...text.matchAll(pattern)].map(([, number]) => Number(number)));
}

/** A folder for the certificate and for what players write, which any user can read. */
export function newTrust(certificate: string): Trust {
  const folder = mkdtempSync(join(tmpdir(), "fstream-players-"));
  const trust = { folder: join(folder, "trust"), file: join(folder, "trust", "cert.pem") };
  mkdirSync(trust.folder);
  writeFileSync(trust.file, certificate);
  for (const each of [folder, trust.folder]) chmodSync(each, 0o755);
  mkdirSync(join(folder, "home"));
  chmodSync(join(folder, "home"), 0o777);
  return trust;
}

const curl: Player = {
  name: "curl",
  command: (url, { file }) => ["curl", "-sS", "--cacert", file, url],
  plays: ({ length }) => length > 60_000,
  usual: /^$/,
};

const ffmpeg: Player = {
  name: "ffmpeg",
  command: (url, trust) => [
    ..."ffmpeg -v error -nostats -progress pipe:1".split(" "),
    ...(isSecure(url) ? lavfTrust(trust) : []),
    "-i",
    url,
    "-f",
    "null",
    "-",
  ],
  plays: ({ stdout }) => most(stdout, /^out_time_us=(\d+)$/gm) >= playedSeconds * 1e6,
  usual: lavfEnd,
};

const ffplay: Player = {
  name: "ffplay",
  command: (url, trust) => [
    ..."ffplay -v error -stats -autoexit".split(" "),
    ...(isSecure(url) ? lavfTrust(trust) : []),
    url,
  ],
  environment: { SDL_VIDEODRIVER: "dummy", SDL_AUDIODRIVER: "dummy" },
  plays: ({ stderr }) => advances(stderr, /([\d.]+) [AM]-[AV]:/g),
  // Its status, and a word about the screen that is not there.
  usual: new RegExp(`${lavfEnd.source}|\\baq=|hardware accelerated renderer`),
};

const mpv: Player = {
  name: "mpv",
  command: (url, { file }) => [
    ..."mpv --no-config --vo=null --ao=null --msg-level=all=error,statusline=status".split(" "),
    ...(isSecure(url) ? ["--tls-verify=yes", `--tls-ca-file=${file}`] : []),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: mpv's own
    "--term-status-msg=at ${=time-pos}",
    url,
  ],
  plays: ({ stdout, stderr }) => advances(stdout + stderr, /at ([\d.]+)/g),
  usual: new RegExp(`${lavfEnd.source}|at [\\d.]+$`),
};

/** VLC does not run as root. */
const asNobody =
  process.getuid?.() === 0 ? "setpriv --reuid=nobody --regid=nogroup --clear-groups".split(" ") : [];

const vlc: Player = {
  name: "vlc",
  command: (url, { folder }) => [
    ...asNobody,
    ..."vlc -I rc --vout dummy --aout dummy --no-color --play-and-exit".split(" "),
    `--gnutls-dir-trust=${folder}`,
    url,
  ],
  question: "stats\n",
  plays: ({ stdout }) =>
    most(stdout, /video decoded +: +(\d+)/g) + most(stdout, /audio decoded +: +(\d+)/g) > 150,
  usual: new RegExp(
    [
      "interface|dbus|VLC media player|end of playlist|AAC channels",
      // Tables that are repeated for joiners have counters of their own.
      "libdvbpsi",
      // A stream whose end it can't look at, or whose beginning it has not seen.
      "cluster or chapter|Fragment sequence",
      // A machine that is busy.
      "late|deadlock|[tT]imestamp",
      // Its decoder is stopped within a picture.
      "decode_slice_header",
    ].join("|"),
  ),
};

const gstreamer: Player = {
  name: "gstreamer",
  command: (url) => [
    ..."gst-launch-1.0 -v souphttpsrc".split(" "),
    `location=${url}`,
    // It knows the system's authorities only.
    ...(isSecure(url) ? ["ssl-strict=false"] : []),
    ..."! decodebin ! fakesink silent=false".split(" "),
  ],
  plays: ({ stdout }) => stdout.split("last-message = chain ").length > 50,
  usual: /^$/,
};

const programs: Readonly<Record<string, readonly string[]>> = {
  vlc: ["vlc", ...asNobody.slice(0, 1)],
  gstreamer: ["gst-launch-1.0"],
};

/** Those that are installed. */
export const players: readonly Player[] = [curl, ffmpeg, ffplay, mpv, vlc, gstreamer].filter(({ name }) =>
  (programs[name] ?? [name]).every((program) => Bun.which(program) !== null),
);

/** A player at work. */
export class Playing {
  readonly player: Player;
  readonly url: string;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #chunks: Uint8Array[] = [];
  readonly #done: Promise<unknown>;
  #stdout = "";
  #stderr = "";

  constructor(player: Player, url: string, trust: Trust) {
    this.player = player;
    this.url = url;
    this.#process = Bun.spawn([...player.command(url, trust)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      cwd: tmpdir(),
      env: { PATH: process.env.PATH ?? "", HOME: join(trust.folder, "..", "home"), ...player.environment },
    });
    this.#done = Promise.all([this.#read(), this.#readWords()]);
  }

  /** What came on stdout. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Whether it plays, or has ended. */
  looks(): boolean {
    const { question, plays } = this.player;
    if (this.#process.exitCode !== null) throw new Error(`${this.title} ended: ${this.#stderr.slice(-2000)}`);
    if (question !== undefined) {
      void this.#process.stdin.write(question);
      void this.#process.stdin.flush();
    }
    const length = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    return plays({ stdout: this.#stdout, stderr: this.#stderr, length });
  }

  get title(): string {
    return `${this.player.name} at ${this.url}`;
  }

  /** How it has ended by itself, and what it complained of. */
  async end(): Promise<{ status: number; complaints: readonly string[] }> {
    await this.#done;
    const lines = this.#stderr.split(/[\r\n]+/).filter((line) => line.trim() !== "");
    const complaints = lines.filter((line) => !this.player.usual.test(line));
    return { status: await this.#process.exited, complaints };
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stdout) {
      this.#chunks.push(chunk);
      if (this.player.name !== "curl") this.#stdout += decoder.decode(chunk, { stream: true });
    }
  }

  async #readWords(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stderr) this.#stderr += decoder.decode(chunk, { stream: true });
  }
}
