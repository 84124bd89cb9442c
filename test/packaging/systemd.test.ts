// The units and the settings file that are installed with the program.

import { describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "@iarna/toml";
import { examineSettings } from "../../src/settings/load.ts";
import { rows } from "../../src/settings/rows.ts";
import { run } from "../commands/run.ts";

const packaging = join(import.meta.dir, "../../packaging");
const text = (name: string) => Bun.file(join(packaging, name)).text();
const units = ["fstream.service", "fstream.socket", "fstream-broadcast@.service"];

async function analyze(...args: string[]) {
  const { stdout, stderr, exited } = Bun.spawn(["systemd-analyze", ...args], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, SYSTEMD_COLORS: "0" },
  });
  const [out, err, status] = await Promise.all([stdout.text(), stderr.text(), exited]);
  return { out, err, status };
}

describe("the settings file", () => {
  const file = join(packaging, "fstream.toml");

  test("is in order, and changes nothing but where the state is", async () => {
    const sources = { cwd: "/nowhere", environment: {}, overrides: {} };
    const { problems, settings } = await examineSettings({ ...sources, file });
    const defaults = (await examineSettings({ ...sources, cwd: packaging })).settings;
    expect(problems).toEqual([]);
    expect(settings).toEqual({
      ...defaults,
      server: { ...defaults.server, stateDir: "/var/lib/fstream" },
    });
    const folder = mkdtempSync(join(tmpdir(), "fstream-users-"));
    expect(await run(folder, ["check", "--config", file, "--users-dir", folder])).toMatchObject({
      status: 0,
      stdout: "",
    });
  });

  test("shows keys that there are, at their defaults", async () => {
    const shown = (await text("fstream.toml")).replaceAll(/^#(?=\w+ = )/gm, "");
    const found = Object.entries(parse(shown)).flatMap(([section, keys]) =>
      Object.entries(keys as object).map(([key, value]) => ({ section, key, value: value as unknown })),
    );
    expect(found.length).toBeGreaterThan(15);
    for (const { section, key, value } of found.filter(({ key }) => key !== "state_dir")) {
      const row = rows.find((each) => each.section === section && each.setting.name === key);
      expect({ key, value }).toEqual({ key, value: row?.setting.default });
    }
  });
});

test("the units unset what SECURITY.md says that they should", async () => {
  const security = await Bun.file(join(packaging, "../SECURITY.md")).text();
  const unset = /^ *(UnsetEnvironment=.*)$/m.exec(security)?.[1];
  for (const unit of units.filter((each) => each.endsWith(".service")))
    expect(await text(`systemd/${unit}`)).toContain(`\n${unset}\n`);
});

test("the units never turn off the JIT compiler, and name what is there", async () => {
  for (const unit of units) expect(await text(`systemd/${unit}`)).not.toMatch(/^MemoryDenyWriteExecute/m);
  const service = await text("systemd/fstream.service");
  for (const credential of ["tls_cert", "tls_key", "admin_token"])
    expect(service).toContain(`LoadCredential=${credential}:fstream.${credential}\n`);
  const sockets = await text("systemd/fstream.socket");
  for (const { setting } of rows.filter(
    ({ property }) => property === "listen" || property === "httpsListen",
  ))
    expect(sockets).toContain(`ListenStream=${String(setting.default).slice(1)}\n`);
  const environment = await text("systemd/broadcast.env");
  const broadcast = await text("systemd/fstream-broadcast@.service");
  for (const [, name] of broadcast.matchAll(/"?\$\$([A-Z]+)\b/g))
    expect(environment).toMatch(new RegExp(`^${name}=`, "m"));
});

describe.skipIf(Bun.which("systemd-analyze") === null)("systemd", () => {
  test("finds nothing wrong with the units", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fstream-units-"));
    const paths = await Promise.all(
      units.map(async (unit) => {
        const path = join(folder, unit.replace("@", "@x"));
        // It looks for the program.
        await Bun.write(path, (await text(`systemd/${unit}`)).replaceAll("/usr/bin/fstream", "/bin/true"));
        return path;
      }),
    );
    const { err, status } = await analyze("verify", "--man=no", ...paths);
    expect({ status, ours: err.split("\n").filter((line) => line.includes("fstream")) }).toEqual({
      status: 0,
      ours: [],
    });
  });

  test.each(units.filter((unit) => unit.endsWith(".service")))("finds %s well protected", async (unit) => {
    const { out } = await analyze(
      "security",
      "--offline=true",
      "--no-pager",
      join(packaging, "systemd", unit),
    );
    const exposure = Number(/Overall exposure level for .*: ([\d.]+)/.exec(out)?.[1]);
    expect(exposure).toBeLessThanOrEqual(1.5);
  });
});
