// Tries what a release is made of: `bun packaging/try.ts FOLDER [--only TARGET] [--tests] [--install]`. FOLDER has a folder for each target,
// whose name ends with it, with the executable in it. Each is looked at (try/format.ts); what can run here, if only in emulation, goes
// through the demonstration of test/e2e/demo.test.ts (and windowsservice.test.ts), and is measured. With --tests other end-to-end tests run on it, too; with
// --install what emulation needs is installed. The exit status is 0 if all that ran held; what did not run is named.

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { targets } from "./targets.ts";
import { examine } from "./try/format.ts";
import { type Runner, runnerFor } from "./try/runner.ts";

const root = join(import.meta.dir, "..");
/** Tests that look at the program from outside alone. */
const otherTests = [
  "client",
  "streams",
  "server",
  "tokens",
  "secure",
  "stdio",
  "refusals",
  "httpwatch",
  "retry",
];
/**
 * Those that hold in emulation. Others fail for its own reasons: QEMU is slow, and Wine has paths with backslashes and no modes, shows a
 * reset as an end first, and draws on terminals.
 */
const emulatedTests: Readonly<Record<string, readonly string[]>> = {
  "linux-arm64": ["server", "secure"],
  "linux-arm64-musl": ["secure"],
  "windows-x64": ["tokens", "secure", "refusals", "httpwatch"],
};
/** In emulation everything takes long, milliseconds. */
const testMs = 600_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", multiple: true },
    tests: { type: "boolean" },
    install: { type: "boolean" },
  },
});
if (positionals.length !== 1) {
  console.error("usage: bun packaging/try.ts FOLDER [--only TARGET]... [--tests] [--install]");
  process.exit(2);
}
const folder = resolve(positionals[0]);
const work = join(root, "dist/try");

/** Where the executable for a target is; undefined: nowhere. */
function executableFor(target: string): string | undefined {
  const name = readdirSync(folder).find((entry) => entry === target || entry.endsWith(`-${target}`));
  const path = join(folder, name ?? target, target.startsWith("windows") ? "fstream.exe" : "fstream");
  return existsSync(path) ? path : undefined;
}

/** Whether it is for another system or processor than this machine's. */
function isEmulated(target: string): boolean {
  const [system, processor] = target.split("-");
  return system !== process.platform || processor !== process.arch;
}

/** Runs Bun on tests or a script; true if that went well. Its words are shown. */
async function ran(runner: Runner, ...args: string[]): Promise<boolean> {
  const env = { ...process.env, ...runner.environment, FSTREAM_BIN: runner.program };
  return (await Bun.spawn([process.execPath, ...args], { cwd: root, env, stdout: "inherit" }).exited) === 0;
}

/** Tries one target; whether all held. */
async function tried(target: string, executable: string): Promise<boolean> {
  const { facts, problems } = examine(target, await Bun.file(executable).bytes());
  for (const fact of facts.filter((text) => text !== "")) console.log(`${target}: ${fact}`);
  for (const problem of problems) console.log(`${target}: WRONG: ${problem}`);
  const own = join(work, `${target}-${process.pid}`);
  mkdirSync(own, { recursive: true });
  const runner = await runnerFor(target, executable, own, values.install === true);
  if ("missing" in runner) {
    console.log(`${target}: not run here: ${runner.missing}`);
    rmSync(own, { recursive: true });
    return problems.length === 0;
  }
  try {
    const others = isEmulated(target) ? (emulatedTests[target] ?? []) : otherTests;
    const tests = ["demo", "windowsservice", ...(values.tests === true ? others : [])].map(
      (name) => `test/e2e/${name}.test.ts`,
    );
    const passed = await ran(runner, "test", "--timeout", String(testMs), ...tests);
    const measured = await ran(runner, join(import.meta.dir, "try/figures.ts"));
    console.log(`${target}: ${passed && measured ? "ran" : "FAILED"}${runner.how}`);
    return problems.length === 0 && passed && measured;
  } finally {
    await runner.stop();
    rmSync(own, { recursive: true, force: true });
  }
}

const wrong: string[] = [];
for (const target of values.only ?? targets.map(({ name }) => name)) {
  const executable = executableFor(target);
  if (executable === undefined) console.log(`${target}: not in ${folder}`);
  if (executable !== undefined ? !(await tried(target, executable)) : values.only !== undefined)
    wrong.push(target);
}
console.log(wrong.length === 0 ? "all that ran here held" : `did not hold: ${wrong.join(", ")}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
