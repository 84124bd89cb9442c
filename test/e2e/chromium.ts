// A headless Chromium under test, driven through the DevTools protocol over its WebSocket: pages are opened, looked at,
// and pictures taken of them. What the pages complain about (the console, exceptions, the Content-Security-Policy) is kept,
// for a test to find nothing of it. Code for a page is text, since it runs there.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./program.ts";

const path = Bun.which("chromium") ?? Bun.which("chromium-browser") ?? Bun.which("google-chrome");

/** Whether there is one on this machine. */
export const hasChromium = path !== null;

const switches = [
  "--headless=new",
  "--no-sandbox",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-dev-shm-usage",
  "--disable-extensions",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--ignore-certificate-errors",
  "--remote-debugging-port=0",
  "--window-size=1280,800",
  // A name that is not this machine's, for what browsers allow on localhost alone.
  "--host-resolver-rules=MAP relay.example 127.0.0.1",
];

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Record<string, never>;
  readonly result?: Record<string, never>;
  readonly error?: { readonly message: string };
}

type Parameters = Record<string, unknown>;

/** What a page is shown as. */
export interface Screen {
  readonly width: number;
  readonly height: number;
  readonly scheme?: "light" | "dark";
  readonly isPhone?: boolean;
}

export const phone = { width: 390, height: 844, isPhone: true } as const;
export const desktop = { width: 1280, height: 800 } as const;

/** A browser with a profile of its own. */
export class Chromium {
  readonly #process: Bun.Subprocess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #pages = new Map<string, Page>();
  readonly #waiting = new Map<number, PromiseWithResolvers<Parameters>>();
  #lastId = 0;

  private constructor(process: Bun.Subprocess, profile: string, socket: WebSocket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#took(JSON.parse(String(data)) as Message));
  }

  static async start(more: readonly string[] = []): Promise<Chromium> {
    const profile = mkdtempSync(join(tmpdir(), "fstream-chromium-"));
    const command = [path ?? "chromium", ...switches, ...more, `--user-data-dir=${profile}`, "about:blank"];
    const process = Bun.spawn(command, { stdout: "ignore", stderr: "ignore", stdin: "ignore" });
    const address = await until("chromium listens", async () => {
      const file = Bun.file(join(profile, "DevToolsActivePort"));
      const [port, target] = (await file.exists()) ? (await file.text()).split("\n") : [];
      return target && `ws://127.0.0.1:${port}${target}`;
    });
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", reject);
    });
    return new Chromium(process, profile, socket);
  }

  /** Opens a page and waits until it has loaded. */
  async open(url: string, screen: Screen = desktop): Promise<Page> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, String(targetId), String(sessionId));
    this.#pages.set(String(sessionId), page);
    for (const domain of ["Page", "Runtime", "Log"]) await page.send(`${domain}.enable`);
    await page.show(screen);
    await page.go(url);
    return page;
  }

  async send(method: string, params: Parameters = {}, sessionId?: string): Promise<Parameters> {
    const id = ++this.#lastId;
    const waiting = Promise.withResolvers<Parameters>();
    this.#waiting.set(id, waiting);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return await waiting.promise;
  }

  async stop(): Promise<void> {
    this.#socket.close();
    this.#process.kill("SIGTERM");
    await this.#process.exited;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #took({ id, sessionId, method, params, result, error }: Message): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id !== undefined) this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result ?? {});
    else waiting?.reject(new Error(error.message));
    if (method !== undefined && sessionId !== undefined)
      this.#pages.get(sessionId)?.happened(method, params ?? {});
  }
}

interface Evaluation {
  readonly result: { readonly value?: unknown };
  readonly exceptionDetails?: {
    readonly text: string;
    readonly exception?: { readonly description?: string };
  };
}

/** One tab. */
export class Page {
  readonly #chromium: Chromium;
  readonly #target: string;
  readonly #session: string;
  /** What the page complained about. */
  readonly complaints: string[] = [];
  #loads = 0;

  constructor(chromium: Chromium, target: string, session: string) {
    this.#chromium = chromium;
    this.#target = target;
    this.#session = session;
  }

  send(method: string, params: Parameters = {}): Promise<Parameters> {
    return this.#chromium.send(method, params, this.#session);
  }

  async go(url: string): Promise<void> {
    const loads = this.#loads;
    const { errorText } = await this.send("Page.navigate", { url });
    if (errorText !== undefined) throw new Error(`${url}: ${JSON.stringify(errorText)}`);
    await until(`${url} has loaded`, () => this.#loads > loads);
  }

  async show({ width, height, scheme = "light", isPhone = false }: Screen): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: isPhone ? 2 : 1, mobile: isPhone };
    await this.send("Emulation.setDeviceMetricsOverride", metrics);
    await this.send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
  }

  /** The value of an expression there, which may be a promise. */
  async evaluate<T = unknown>(expression: string): Promise<T> {
    const evaluation = (await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as unknown as Evaluation;
    const problem = evaluation.exceptionDetails;
    if (problem !== undefined) throw new Error(problem.exception?.description ?? problem.text);
    return evaluation.result.value as T;
  }

  /** Waits until an expression holds there, and gives its value. */
  async until<T = unknown>(expression: string): Promise<NonNullable<T>> {
    try {
      return (await until(expression, async () => {
        const value = await this.evaluate<T>(expression);
        if (!value) await Bun.sleep(50);
        return value;
      })) as NonNullable<T>;
    } catch (cause) {
      const seen = `the page says: ${await this.words()}; it complained: ${this.complaints.join("; ")}`;
      throw new Error(`${(cause as Error).message}; ${seen}`, { cause });
    }
  }

  /** What a person can read there. */
  words(): Promise<string> {
    return this.evaluate<string>("document.body?.innerText ?? ''");
  }

  /** Clicks into the middle of the first element that `selector` finds, as a person does. */
  async click(selector: string): Promise<void> {
    const at = await this.evaluate<{ x: number; y: number }>(`(() => {
      const { x, y, width, height } = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    })()`);
    const event = { ...at, button: "left", clickCount: 1 };
    await this.send("Input.dispatchMouseEvent", { type: "mousePressed", ...event });
    await this.send("Input.dispatchMouseEvent", { type: "mouseReleased", ...event });
  }

  /** Types a key, as KeyboardEvent names it. */
  async press(key: string, code = key): Promise<void> {
    const codes: Record<string, number> = {
      " ": 32,
      ArrowUp: 38,
      ArrowDown: 40,
      ArrowLeft: 37,
      ArrowRight: 39,
    };
    const number = codes[key] ?? key.toUpperCase().charCodeAt(0);
    const text = key.length === 1 ? { text: key } : {};
    const event = { key, code, windowsVirtualKeyCode: number };
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event, ...text });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** A PNG of what is seen. */
  async picture(): Promise<Uint8Array> {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    return Buffer.from(String(data), "base64");
  }

  async close(): Promise<void> {
    await this.#chromium.send("Target.closeTarget", { targetId: this.#target });
  }

  happened(method: string, params: Record<string, unknown>): void {
    switch (method) {
      case "Page.loadEventFired":
        this.#loads++;
        break;
      case "Runtime.consoleAPICalled":
        if (params.type === "error" || params.type === "warning")
          this.complaints.push(JSON.stringify(params.args));
        break;
      case "Runtime.exceptionThrown":
        this.complaints.push(JSON.stringify(params.exceptionDetails));
        break;
      case "Log.entryAdded": {
        const { level, text, url } = params.entry as Record<string, string>;
        if (level === "error" || level === "warning") this.complaints.push(`${text} ${url ?? ""}`);
        break;
      }
      default:
    }
  }
}
