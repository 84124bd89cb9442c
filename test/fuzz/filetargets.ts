// The files that an operator writes, a visitor of the machine may have got at, or a program of the operator's answers: users' files,
// the settings file, the admin token, and decisions. Whatever stands in them is read, or refused in a line that holds no secret;
// nothing is thrown but FstreamErrors, and the time is bounded.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminToken } from "../../src/auth/admintoken.ts";
import { readDecision } from "../../src/auth/decision.ts";
import { type Ending, readUserFile } from "../../src/auth/userfile.ts";
import { FstreamError } from "../../src/errors.ts";
import { examineSettings } from "../../src/settings/load.ts";
import { rows } from "../../src/settings/rows.ts";
import { threadMs } from "./clock.ts";
import { damaged, pick, type Roll } from "./damage.ts";
import { inLine, type Target } from "./target.ts";

/** Of processor time, for a file of a few KiB. Milliseconds. */
const maxMs = 100;
/** A line for a person. */
const maxProblemLength = 600;
/** What no line may quote. */
const secret = "Tr0ub4dor&3";

/** What `read` gives, a throw being a fault unless it is an FstreamError that is not `internal`. */
async function guarded(
  read: () => string | undefined | Promise<string | undefined>,
): Promise<string | undefined> {
  const sinceMs = threadMs();
  let fault: string | undefined;
  try {
    fault = await read();
  } catch (error) {
    if (!(error instanceof FstreamError) || error.code === "internal") return `throws ${inLine(error)}`;
    fault = problemFault(error.message);
  }
  const ms = threadMs() - sinceMs;
  return fault ?? (ms > maxMs ? `takes ${ms.toFixed(0)} ms` : undefined);
}

function problemFault(problem: string): string | undefined {
  if (problem.includes(secret)) return `quotes a secret: ${problem}`;
  if (problem.length > maxProblemLength) return `says ${problem.length} characters: ${problem.slice(0, 200)}`;
  return undefined;
}

const scraps = [
  "\n",
  "\r\n",
  "\r",
  "=",
  '"',
  "'",
  '"""',
  "'''",
  "[",
  "]",
  "[[a]]\n",
  "{",
  "}",
  "#",
  ";",
  ",",
  ".",
  "\\",
  "\\u",
  "\\UFFFFFFFF",
  "\0",
  "\ufeff",
  "\xff",
  "\u2028",
  "__proto__",
  "[__proto__]\n",
  "constructor = 1\n",
  "[DEFAULT]\n",
  "inf",
  "nan",
  "1979-05-27T07:32:00Z",
  "07:32:00",
  "0x7fffffffffffffff",
  "9223372036854775807",
  "1e400",
  " ".repeat(3000),
  "[".repeat(2000),
  "a.".repeat(2000),
  "a = 1\n".repeat(300),
  `${"k".repeat(3000)} = 1\n`,
];
/** As large as a user's file may be. Bytes. */
const maxUserFileBytes = 64 * 1024;

/** Now and then as large as it may be, made of one thing. */
function grown(bytes: Buffer, roll: Roll): Buffer {
  if (roll(40) > 0) return bytes;
  const at = roll(bytes.length + 1);
  const scrap = pick(roll, scraps);
  const many = Buffer.from(
    scrap.repeat(Math.floor((maxUserFileBytes - bytes.length) / Buffer.byteLength(scrap))),
  );
  return Buffer.concat([bytes.subarray(0, at), many, bytes.subarray(at)]);
}

const password = `password = "${secret}"\n`;
const hash = `password_hash = "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGlnZXN0MTI"\n`;
const tomls = [
  password,
  hash,
  `${password}channels = ["default", "cam*"]\nenabled = false\n`,
  `${password}may_watch = ["fier/*", "*/default"]\n`,
  `password = '''${secret}'''\n`,
  `password = "${secret}\n`,
  `password = 123\n`,
  `channels = "default"\n${password}`,
  `[user]\n${password}`,
];
const inis = [
  `[DEFAULT]\npassword=${secret}\n`,
  `[DEFAULT]\npassword: ${secret}\nchannels = default, cam*\nenabled = yes\n`,
  `[DEFAULT]\npassword = ${secret}\n  and more\n\n[other]\npassword=x\n`,
  `; a comment\n[DEFAULT]\n${secret}\n`,
  `password=${secret}\n`,
  `[DEFAULT]\npassword=${secret}\npassword=${secret}\n`,
];

function userFile(name: string, ending: Ending, samples: readonly string[]): Target {
  return {
    name,
    ending: ending.slice(1),
    draw: (roll) =>
      grown(damaged(Buffer.from(pick(roll, samples)), roll, scraps, Buffer.from(pick(roll, samples))), roll),
    fault: (bytes) =>
      guarded(() => {
        const read = readUserFile("fier", ending, bytes);
        if ("problem" in read) return problemFault(read.problem);
        const { name: user, secret: kept, channels, enabled } = read.user;
        const text = kept.kind === "plain" ? kept.password : kept.hash;
        if (user !== "fier" || typeof text !== "string" || text === "") return "is a user without a secret";
        if (channels?.some((each) => typeof each !== "string" || each === "") === true)
          return "is a user of channels without names";
        return typeof enabled === "boolean" ? undefined : "is neither enabled nor not";
      }),
  };
}

const values = [
  '""',
  '"10s"',
  '"16MiB"',
  '":0"',
  '"[::1]:61920"',
  '"99999999999999999999h"',
  '"-1s"',
  "0",
  "-1",
  "1.5",
  "1e400",
  "nan",
  "true",
  "[]",
  '["192.0.2.0/24", 5]',
  '["::/999"]',
  "{ a = 1 }",
  "1979-05-27",
  `"${"x".repeat(3000)}"`,
  '"\\u0000"',
  '"https://user@[::1]:x/"',
  '"users"',
];

function settingsFile(roll: Roll): Buffer {
  const lines: string[] = [];
  let section = "";
  for (let count = roll(12); count > 0; count--) {
    const row = pick(roll, rows);
    if (row.section !== section || roll(6) === 0) lines.push(`[${row.section}]`);
    section = row.section;
    const name = roll(8) === 0 ? `${row.setting.name}s` : row.setting.name;
    const value = roll(3) === 0 ? JSON.stringify(row.setting.default) : pick(roll, values);
    lines.push(`${name} = ${value}${roll(6) === 0 ? " # why" : ""}`);
  }
  return Buffer.from(`${lines.join("\n")}\n`);
}

let folder: string | undefined;
/** A file with that content: the same one each time. */
function fileOf(bytes: Uint8Array): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), "fstream-fuzz-"));
    folder = made;
    process.on("exit", () => rmSync(made, { recursive: true, force: true }));
  }
  const path = join(folder, "input");
  writeFileSync(path, bytes);
  return path;
}

const settings: Target = {
  name: "settings",
  ending: "toml",
  draw: (roll) => damaged(settingsFile(roll), roll, scraps, settingsFile(roll)),
  fault: (bytes) =>
    guarded(async () => {
      const file = fileOf(bytes);
      const found = await examineSettings({ file, cwd: tmpdir(), environment: {}, overrides: {} });
      const missing = rows.find((row) => {
        const section = found.settings[row.section] as Readonly<Record<string, unknown>>;
        return !Object.hasOwn(section, row.property);
      });
      if (missing !== undefined) return `leaves ${missing.setting.name} without a value`;
      for (const problem of found.problems) {
        const fault = problemFault(problem);
        if (fault !== undefined) return fault;
      }
      return undefined;
    }),
};

const decisions = [
  "true",
  "false",
  "null",
  "[]",
  '{"allow":true}',
  '{"allow":false,"reason":"no","tellReason":true}',
  '{"allow":true,"channels":["a","cam*"],"validSeconds":60,"cacheSeconds":0,"maxBitrate":1e6,"maxWatchers":5}',
  '{"allow":true,"channels":[""]}',
  '{"allow":true,"validSeconds":0}',
  '{"allow":true,"validSeconds":1e999}',
  '{"allow":"true"}',
  '{"__proto__":{"allow":true}}',
  '{"allow":true,"__proto__":null}',
  '{"constructor":1,"allow":true}',
  '{"Allow":true}',
];

const decision: Target = {
  name: "decision",
  ending: "json",
  draw: (roll) =>
    damaged(Buffer.from(pick(roll, decisions)), roll, scraps, Buffer.from(pick(roll, decisions))),
  fault: (bytes) =>
    guarded(() => {
      let value: unknown;
      try {
        value = JSON.parse(Buffer.from(bytes).toString());
      } catch {
        return undefined; // refused before it is looked at
      }
      const read = readDecision(value);
      if ("problem" in read) return problemFault(read.problem);
      const { allow, channels, validSeconds } = read.decision;
      if (typeof allow !== "boolean") return "allows neither true nor false";
      const saysTrue = value === true || (value !== null && Reflect.get(Object(value), "allow") === true);
      if (allow && !saysTrue) return "allows what does not say so";
      if (channels?.some((each) => typeof each !== "string" || each === "") === true)
        return "has a channel without a name";
      return validSeconds === undefined || validSeconds > 0 ? undefined : "is valid for no time";
    }),
};

const tokens = [
  `${secret}-0123456789\n`,
  `${secret}-0123456789`,
  secret,
  "",
  "\n",
  "a b c d e f g h i j",
  "x".repeat(5000),
];

const adminToken: Target = {
  name: "admin-token",
  ending: "txt",
  draw: (roll) => damaged(Buffer.from(pick(roll, tokens)), roll, scraps, Buffer.from(pick(roll, tokens))),
  fault: (bytes) =>
    guarded(async () => {
      const file = new AdminToken(fileOf(bytes));
      const token = await file.read();
      if (token.length < 16 || /\s/.test(token)) return "is taken for a token";
      if (await file.matches("")) return "is matched by nothing";
      return (await file.matches(token)) ? undefined : "does not match itself";
    }),
};

/** All that reads files, and what is answered like one. */
export const fileTargets: readonly Target[] = [
  userFile("user-toml", ".toml", tomls),
  userFile("user-ini", ".ini", inis),
  settings,
  decision,
  adminToken,
];
