// What the tests of the pages share: a server, a browser, and encoders that broadcast to the one what the other shows.

import { Chromium, hasChromium, type Page, type Screen } from "./chromium.ts";
import { ClockEncoder, type Encoding, type Look, lookAtPicture } from "./clockpicture.ts";
import { type Run, type ServerOptions, TestServer, until } from "./program.ts";

/** Whether what they need is on this machine. */
export const canShow = hasChromium && Bun.which("ffmpeg") !== null;

/** A server whose pages are reached over plain HTTP on this machine. */
export class Stage {
  readonly server: TestServer;
  readonly chromium: Chromium;
  readonly #broadcasts: LiveBroadcast[] = [];

  private constructor(server: TestServer, chromium: Chromium) {
    this.server = server;
    this.chromium = chromium;
  }

  /** `switches`: more of the browser's. */
  static async start(...switches: string[]): Promise<Stage> {
    return await Stage.startWith({}, switches);
  }

  /** The same with a server that has such settings. */
  static async startWith(options: ServerOptions, switches: readonly string[] = []): Promise<Stage> {
    const any = "127.0.0.1:0";
    const listeners = { listen: any, https_listen: any, http_listen: any };
    return new Stage(await TestServer.start({ listeners, ...options }), await Chromium.start(switches));
  }

  get site(): string {
    return `http://127.0.0.1:${this.server.port("http")}`;
  }

  open(path: string, screen?: Screen): Promise<Page> {
    return this.chromium.open(this.site + path, screen);
  }

  /** Starts to broadcast pictures with a clock; resolves once the server knows what they are. */
  async broadcast(
    channel: string,
    encoding: Encoding,
    options: BroadcastOptions = {},
  ): Promise<LiveBroadcast> {
    const lines = () => this.server.run.stderr.split(`fier/${channel}: `).length;
    const before = lines();
    const environment = { fserv_arg_channel: channel, ...options.environment };
    const broadcast = new LiveBroadcast(
      new ClockEncoder(encoding, options.scale, options.hasNoise),
      this.server.broadcast(environment),
    );
    this.#broadcasts.push(broadcast);
    await until(`${channel} is known`, () => lines() > before);
    return broadcast;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#broadcasts.map((broadcast) => broadcast.breakOff()));
    await this.chromium.stop();
    await this.server.stop();
  }
}

export interface BroadcastOptions {
  /** The size of the pictures, such as "640:360". */
  readonly scale?: string;
  /** They are hard to compress: about 5 Mbit/s. */
  readonly hasNoise?: boolean;
  readonly environment?: Record<string, string>;
}

/** An encoder and the client that broadcasts what it makes. */
export class LiveBroadcast {
  readonly #encoder: ClockEncoder;
  readonly #run: Run;
  readonly #done: Promise<void>;

  constructor(encoder: ClockEncoder, run: Run) {
    this.#encoder = encoder;
    this.#run = run;
    this.#done = this.#pump();
  }

  /** An orderly end. */
  async end(): Promise<void> {
    await this.#encoder.stop();
    await this.#done;
    await this.#run.exit();
  }

  /** As a machine that is switched off. */
  async breakOff(): Promise<void> {
    this.#run.process.kill("SIGKILL");
    await this.#encoder.stop();
    await this.#done;
  }

  async #pump(): Promise<void> {
    try {
      for await (const bytes of this.#encoder.process.stdout) await this.#run.send(bytes);
      await this.#run.finish();
    } catch {
      // The client is gone.
    }
  }
}

/** The state of a page's player, as `data-state` has it. */
export const stateOf = (which = 0) => `document.querySelectorAll(".player")[${which}]?.dataset.state`;

/** Waits until a player plays, and time goes on in it. */
export async function plays(page: Page, which = 0): Promise<void> {
  await page.until(`${stateOf(which)} === "playing"`);
  const time = `document.querySelectorAll("video")[${which}].currentTime`;
  const from = await page.evaluate<number>(time);
  await page.until(`Math.abs(${time} - ${from}) > 1`);
}

/** Waits until the picture is seen, with the clock in it at most so far behind, and gives that, milliseconds. */
export async function shows(page: Page, atMostMs: number, which = 0): Promise<number> {
  const look = await until(`the picture is seen at most ${atMostMs} ms behind`, async () => {
    const seen = await page.evaluate<Look | null>(lookAtPicture(which));
    return seen !== null && isRed(seen.left) && isGreen(seen.right) && seen.behindMs <= atMostMs && seen;
  });
  return look.behindMs;
}

const isRed = ([red, green, blue]: readonly number[]) => red > 180 && green < 90 && blue < 90;
const isGreen = ([red, green, blue]: readonly number[]) => green > 100 && red < 90 && blue < 90;
