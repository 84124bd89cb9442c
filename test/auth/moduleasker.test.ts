import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ModuleAsker } from "../../src/auth/moduleasker.ts";
import { Unanswered } from "../../src/auth/outsideauthenticator.ts";
import { FstreamError } from "../../src/errors.ts";
import { keptLog } from "./answering.ts";
import { authRequest } from "./request.ts";

// What a path may have in it.
const folder = mkdtempSync(join(tmpdir(), "fstream module #%41-"));
afterAll(() => rmSync(folder, { recursive: true }));
const signal = new AbortController().signal;

function put(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function load(
  text: string,
  timeoutMs = 30_000,
): Promise<ModuleAsker & { readonly lines: readonly string[] }> {
  const { log, lines } = keptLog();
  const asker = await ModuleAsker.load({ path: put("auth.ts", text), log, timeoutMs });
  return Object.assign(asker, { lines });
}

async function problem(text: string): Promise<string> {
  const error: unknown = await load(text).catch((one: unknown) => one);
  if (!(error instanceof FstreamError)) throw new Error("no refusal");
  return error.message.replaceAll(folder, "");
}

async function asked(asker: ModuleAsker, user = "fier"): Promise<unknown> {
  return await asker.ask(authRequest({ user }), signal).catch((error: unknown) => error);
}

test("what is wrong with a module is said with its file and its line", async () => {
  expect(await problem("export const x = 1;")).toBe(
    "module /auth.ts: it does not export a function authenticate",
  );
  expect(await problem("export const authenticate = true;")).toEndWith(
    "it does not export a function authenticate",
  );
  expect(await problem("\nexport function authenticate( {\n  return 1\n}")).toMatch(
    /^module \/auth.ts: .* \(\/auth.ts:3\)$/,
  );
  expect(await problem("\nthrow new Error('no database');")).toBe(
    "module /auth.ts: Error: no database (/auth.ts:2:11)",
  );
  expect(await problem('import "./none.ts";')).toContain("Cannot find module './none.ts'");
  expect(await problem("process.exit(0);")).toBe("module /auth.ts: it exited while loading");
  put("broken.ts", "export const x = ;\n");
  expect(await problem('import "./broken.ts";')).toBe("module /auth.ts: Unexpected ; (/broken.ts:1)");
  const { log } = keptLog();
  const none = ModuleAsker.load({ path: join(folder, "none.ts"), log, timeoutMs: 1000 });
  expect(await none.catch((error: unknown) => error)).toMatchObject({
    code: "failed",
    message: expect.stringContaining("none.ts: no such file"),
  });
});

test("what it throws is an answer of its own, with the place", async () => {
  const asker = await load("export function authenticate() {\n  throw new TypeError('oops');\n}");
  expect(String(await asked(asker)).replaceAll(folder, "")).toContain(
    "/auth.ts threw TypeError: oops (/auth.ts:2:13)",
  );
  asker.stop();
});

test("it is taken up anew with the files that it imports; a broken one changes nothing", async () => {
  put("answer.ts", 'export const reason = "one";');
  const asker = await load(
    'import { reason } from "./answer.ts";\nexport const authenticate = () => ({ allow: false, reason });',
  );
  expect(await asked(asker)).toMatchObject({ reason: "one" });
  put("answer.ts", 'export const reason = "two";');
  await asker.reload();
  expect(await asked(asker)).toMatchObject({ reason: "two" });
  put("answer.ts", "export const reason = ;");
  const reloading = asker.reload().catch((error: unknown) => error);
  expect(await reloading).toMatchObject({ code: "failed" });
  expect(await asked(asker)).toMatchObject({ reason: "two" });
  asker.stop();
});

test("one that is replaced still answers what it was asked", async () => {
  const asker = await load(`
    let answer = (_: boolean) => {};
    export const authenticate = ({ user }) =>
      user === "later" ? new Promise((resolve) => (answer = resolve)) : (setTimeout(() => answer(true), 50), true);`);
  const later = asked(asker, "later");
  await asked(asker);
  await asker.reload();
  expect(await later).toBe(true);
  asker.stop();
});

/** Does what the user's name says. */
const failing = `
  export async function authenticate({ user }) {
    if (user === "exit") process.exit(1);
    if (user === "loop") while (true);
    if (user === "late") setTimeout(() => { throw new Error("thrown later"); });
    if (user === "late" || user === "never") await new Promise(() => {});
    if (user === "function") return () => true;
    if (user === "noise") { postMessage(null); postMessage("x"); postMessage({ type: "answer", number: 12345 }); }
    return true;
  }`;

test("however it fails, the next request is answered", async () => {
  const asker = await load(failing);
  for (const user of ["exit", "late", "function"]) {
    expect(await asked(asker, user)).toBeInstanceOf(Unanswered);
    expect(await asked(asker)).toBe(true);
  }
  expect(await asked(asker, "noise")).toBe(true);
  expect(asker.lines.join("")).toContain("auth.ts failed: thrown later: restarting it");
  asker.stop();
});

test("one that stopped responding is ended, and what others were waiting for is asked once more", async () => {
  const asker = await load(failing, 500);
  const stuck = new AbortController();
  const loop = asker.ask(authRequest({ user: "loop" }), stuck.signal).catch((error: unknown) => error);
  const others = [asked(asker), asked(asker)];
  stuck.abort();
  expect(await Promise.all(others)).toEqual([true, true]);
  expect(await loop).toBeInstanceOf(Unanswered);
  expect(asker.lines.join("")).toContain("auth.ts stopped responding: restarting it");
  asker.stop();
});

test("one that leaves requests unanswered is started anew before they fill the memory", async () => {
  const asker = await load(failing);
  const over = new AbortController();
  const never = () => asker.ask(authRequest({ user: "never" }), over.signal);
  const all = Promise.allSettled(Array.from({ length: 1000 }, never));
  expect(await asked(asker)).toBe(true);
  over.abort();
  await all;
  expect(asker.lines).toEqual([]);
  expect(await asked(asker)).toBe(true);
  expect(asker.lines.join("")).toContain("auth.ts left 1000 requests unanswered: restarting it");
  asker.stop();
});

test("once it is stopped nothing is answered any more", async () => {
  const asker = await load(failing);
  asker.stop();
  expect(await asked(asker)).toBeInstanceOf(Unanswered);
});
