import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuthRequest } from "../../src/auth/authenticator.ts";
import { CommandAsker } from "../../src/auth/commandasker.ts";
import { Unanswered } from "../../src/auth/outsideauthenticator.ts";
import { keptLog } from "./answering.ts";
import { authRequest } from "./request.ts";

async function ask(command: readonly string[], request: AuthRequest = authRequest(), signal?: AbortSignal) {
  const { log, lines } = keptLog();
  const asked = new CommandAsker(command, log).ask(request, signal ?? new AbortController().signal);
  const answer: unknown = await asked.catch((error: unknown) => error);
  return { answer, lines };
}

async function problem(...command: string[]): Promise<Unanswered> {
  return (await ask(command)).answer as Unanswered;
}

async function shell(script: string, request?: AuthRequest): Promise<unknown> {
  return (await ask(["sh", "-c", script], request)).answer;
}

test("exit status 0 allows, any other refuses", async () => {
  expect(await shell("exit 0")).toBe(true);
  expect(await shell("exit 7")).toEqual({ allow: false, reason: "exit status 7" });
});

test("what it prints says more, but never lets in where the status does not", async () => {
  expect(await shell(`echo '{"allow": true, "maxWatchers": 3}'`)).toEqual({ allow: true, maxWatchers: 3 });
  expect(await shell("echo false")).toBe(false);
  const refusal = { allow: false, reason: "closed", tellReason: true };
  expect(await shell(`echo '${JSON.stringify(refusal)}'; exit 1`)).toEqual(refusal);
  for (const output of ['{"allow": true}', "true", "hello"])
    expect(await shell(`echo '${output}'; exit 1`)).toEqual({ allow: false, reason: "exit status 1" });
  expect(await shell("echo hello")).toEqual(new Unanswered("the command's output is not JSON", false));
});

test("it is given the request as one line of JSON, and need not read it", async () => {
  const request = authRequest({ query: "a='\"b", userAgent: "é" });
  const { answer } = await ask(["sh", "-c", `cat | tr a-z a-z`], request);
  expect(answer).toEqual(request);
  expect(await shell("exec <&-; sleep 0.1; exit 0")).toBe(true);
});

test("its arguments are its own: no shell looks at them", async () => {
  const { answer } = await ask(["printf", '{"allow":false,"reason":"%s"}', "$HOME; `id` *"]);
  expect(answer).toEqual({ allow: false, reason: "$HOME; `id` *" });
});

test("one that is not there, is no program, or is killed is no decision", async () => {
  for (const command of ["/no/such/program", "/", "/etc/passwd", "no-such-program"])
    expect(() => new CommandAsker([command], keptLog().log)).toThrow(
      `command ${command}: no such program, or it is not executable`,
    );
  const script = join(mkdtempSync(join(tmpdir(), "fstream-command-")), "script");
  writeFileSync(script, "#!/no/such/interpreter\n", { mode: 0o755 });
  const broken = await problem(script);
  expect([broken.message, broken.isTemporary]).toEqual([
    `the command can't be run: ${script}: no such file or directory`,
    false,
  ]);
  const killed = await problem("sh", "-c", "kill -9 $$");
  expect([killed.message, killed.isTemporary]).toEqual(["the command was killed by SIGKILL", true]);
});

test("one that writes without an end is killed", async () => {
  expect(await shell("yes")).toEqual(new Unanswered("the command wrote more than 65536 bytes", false));
});

test("a short password that is part of other words does not spoil them", async () => {
  const { lines } = await ask(["sh", "-c", "cat >&2; exit 1"], authRequest({ password: "m" }));
  expect(lines.join("")).toContain('"password":"***"');
  expect(lines.join("")).not.toContain("fstrea***");
});

test("what it says on stderr is logged line by line, without the password", async () => {
  const { lines } = await ask(
    ["sh", "-c", "cat >&2; echo second >&2; exit 1"],
    authRequest({ password: 'a"b' }),
  );
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain('"password":"***"');
  expect(lines[1]).toEndWith("sh: second\n");
});

test("what it leaves running is not waited for", async () => {
  expect(await shell("sleep 5 & exit 0")).toBe(true);
});

test("when nobody waits any more all that it has started is killed", async () => {
  const mark = `sleep 61${process.pid}`;
  const over = new AbortController();
  const asked = ask(["sh", "-c", `${mark} & ${mark}; exit 0`], authRequest(), over.signal);
  const running = () => commandLines().filter((line) => line === mark).length;
  while (running() < 2) await Bun.sleep(5);
  over.abort();
  expect((await asked).answer).toBeInstanceOf(Unanswered);
  while (running() > 0) await Bun.sleep(5);
});

test("no descriptor is left", async () => {
  await shell("exit 0");
  const before = open();
  await Promise.all(Array.from({ length: 30 }, () => shell("sleep 5 & exit 0")));
  while (open() > before + 5) await Bun.sleep(5);
}, 20_000);

function open(): number {
  return readdirSync("/proc/self/fd").length;
}

function commandLines(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
      } catch {
        return ""; // it has ended
      }
    });
}
