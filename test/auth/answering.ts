// Operators' own authentication, for tests: a module, a program and a service that all decide in the same way, by code that a
// test writes. Each is in a folder of its own.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { AuthRequest } from "../../src/auth/authenticator.ts";
import { CommandAsker } from "../../src/auth/commandasker.ts";
import { HttpAsker } from "../../src/auth/httpasker.ts";
import { ModuleAsker } from "../../src/auth/moduleasker.ts";
import {
  type Asker,
  OutsideAuthenticator,
  type OutsideOptions,
} from "../../src/auth/outsideauthenticator.ts";
import { createLog, type Log } from "../../src/log.ts";

/** A log that keeps its lines. */
export function keptLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  return { log: createLog({ level: "info", journal: false, write, nowMs: () => 0 }), lines };
}

export interface Answering {
  readonly authenticator: OutsideAuthenticator;
  readonly lines: readonly string[];
  stop(): void;
}

export interface Kind {
  readonly name: "module" | "command" | "http";
  /**
   * One that answers what `decide` gives: the body of a function of `request`, which has `folder`. MediaMTX's request is
   * given to it as the others have it, as far as that goes.
   */
  start(folder: string, decide: string, options?: Partial<OutsideOptions>): Promise<Answering>;
}

type Start = (
  folder: string,
  file: string,
  log: Log,
  timeoutMs: number,
) => Promise<{ asker: Asker; stop(): void }>;

function kind(name: Kind["name"], start: Start): Kind {
  return {
    name,
    start: async (folder, decide, options = {}) => {
      mkdirSync(folder, { recursive: true });
      const file = join(folder, "decide.ts");
      const imports = 'import { appendFileSync, writeFileSync } from "node:fs";\n';
      await Bun.write(
        file,
        `${imports}const folder = ${JSON.stringify(folder)};\nexport async function authenticate(request: any): Promise<any> {\n${decide}\n}\n`,
      );
      const { log, lines } = keptLog();
      // Long enough for a program that starts on a busy machine.
      const timeoutMs = options.timeoutMs ?? 30_000;
      const started = await start(folder, file, log, timeoutMs);
      const { asker } = started;
      const authenticator = new OutsideAuthenticator({ asker, log, maxParallel: 16, ...options, timeoutMs });
      return {
        authenticator,
        lines,
        stop: () => {
          authenticator.stop();
          started.stop();
        },
      };
    },
  };
}

/** The request as a module gets it, made of MediaMTX's. */
function requestOf(sent: Readonly<Record<string, string>>): Partial<AuthRequest> {
  const [owner, channel] = sent.path.split("/");
  const isWatch = sent.action === "read";
  const user = isWatch ? owner : sent.user;
  return {
    action: isWatch ? "watch" : channel === undefined ? "token" : "broadcast",
    user,
    ...(isWatch && sent.user !== "" ? { watcher: sent.user } : {}),
    password: sent.password,
    ...(channel === undefined ? {} : { channel }),
    query: sent.query,
  };
}

export const kinds: readonly Kind[] = [
  kind("module", async (_, path, log, timeoutMs) => ({
    asker: await ModuleAsker.load({ path, log, timeoutMs }),
    stop: () => {},
  })),
  kind("command", async (folder, file, log) => {
    const program = join(folder, "program.ts");
    await Bun.write(
      program,
      `import { authenticate } from ${JSON.stringify(file)};\nprocess.stdout.write(JSON.stringify(await authenticate(await Bun.stdin.json())));\n`,
    );
    return { asker: new CommandAsker([process.execPath, program], log), stop: () => {} };
  }),
  kind("http", async (_, file) => {
    const { authenticate } = (await import(file)) as {
      authenticate: (request: unknown) => Promise<unknown>;
    };
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        const decision = await authenticate(requestOf((await request.json()) as Record<string, string>));
        return typeof decision === "boolean"
          ? new Response("", { status: decision ? 204 : 401 })
          : Response.json(decision);
      },
      error: () => new Response("", { status: 500 }),
    });
    return {
      asker: new HttpAsker(`http://127.0.0.1:${server.port}/`),
      stop: () => void server.stop(true),
    };
  }),
];
