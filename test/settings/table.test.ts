// What holds for every row of the table of settings, and for what is made from it.

import { expect, test } from "bun:test";
import { Glob } from "bun";
import { settingFlags } from "../../src/settings/flags.ts";
import { examineSettings, loadSettings } from "../../src/settings/load.ts";
import { exampleSettings, reference } from "../../src/settings/reference.ts";
import { rows } from "../../src/settings/rows.ts";
import { sections } from "../../src/settings/table.ts";

const sources = { cwd: "/nowhere", environment: {}, overrides: {} };

test("every key is one of its kind across all sections, and so is every flag", () => {
  const names = rows.map((row) => row.setting.name);
  expect(new Set(names).size).toBe(names.length);
  const flags = rows.map(({ section, setting: { name } }) =>
    // Those of [auth] say that they are.
    (section === "auth" && !name.startsWith("auth") ? `auth-${name}` : name).replaceAll("_", "-"),
  );
  expect(Object.keys(settingFlags)).toEqual(flags);
  expect(Object.keys(sections)).toEqual([...new Set(rows.map((row) => row.section as string))]);
});

test("properties are the keys in camel case, with the unit of sizes and durations at the end", () => {
  const unit: Record<string, string> = { SIZE: "Bytes", DURATION: "Ms" };
  for (const { property, setting } of rows) {
    const camel = setting.name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    expect(property).toBe(camel + (unit[setting.kind.placeholder] ?? ""));
  }
});

test("every default reads as itself when it is given as a flag", async () => {
  const overrides = Object.fromEntries(rows.map(({ flag, setting }) => [flag, String(setting.default)]));
  expect(await loadSettings({ ...sources, overrides })).toEqual(await loadSettings(sources));
});

test("help is lower case without a full stop, as other messages are", () => {
  for (const { setting } of rows) {
    for (const text of [setting.help, setting.why ?? "x"]) {
      expect(text).not.toEndWith(".");
      expect(text[0] === text[0].toLowerCase() || /^[A-Z]{2}/.test(text)).toBe(true);
    }
  }
});

test("every setting is read by what it is about: one without effect is not here yet", async () => {
  const root = new URL("../../", import.meta.url).pathname;
  const uses = new Set<string>();
  for (const path of new Glob("src/**/*.ts").scanSync(root)) {
    // The loader and `fstream check` look at settings, and do nothing for them.
    if (path.startsWith("src/settings/") || path === "src/commands/check.ts") continue;
    const text = await Bun.file(root + path).text();
    // A comment is no use, nor is the declaration of a property.
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*|^\s*readonly \w+\??:.*$/gm, "");
    for (const [word] of code.matchAll(/\b[a-z]\w*\b/g)) uses.add(word);
  }
  expect(rows.filter(({ property }) => !uses.has(property)).map(({ setting }) => setting.name)).toEqual([]);
});

test("only switches can be given as flags without a value", () => {
  expect(settingFlags.takeover.optionalValue).toBe(true);
  expect(settingFlags["max-lag"]).toEqual({
    type: "string",
    value: "DURATION",
    help: expect.stringContaining("(default: 60s)"),
    optionalValue: false,
  });
  expect(settingFlags["tls-listen"].help).toEndWith("(default: none)");
  expect(settingFlags["tls-cert"].help).toEndWith(
    "empty (the default): the systemd credential tls_cert if there is one, else a self-signed certificate, created once in state_dir",
  );
});

test("the reference in docs/settings.md is what the table says", async () => {
  const page = await Bun.file(new URL("../../docs/settings.md", import.meta.url)).text();
  expect(page).toBe(reference()); // else: scripts/docs
  for (const { setting, flag } of rows) {
    expect(page).toContain(`\`${setting.name} = `);
    expect(page).toContain(`--${flag}${typeof setting.default === "boolean" ? "[=" : " "}`);
  }
});

test("the example file is right as it is, and with every key taken in is at the defaults", async () => {
  const file = `/tmp/fstream-example-${process.pid}.toml`;
  try {
    for (const text of [exampleSettings(), exampleSettings().replaceAll(/^#(?! )/gm, "")]) {
      await Bun.write(file, text);
      const { problems, settings } = await examineSettings({ ...sources, file, cwd: "/tmp" });
      expect(problems).toEqual([]);
      expect(settings).toEqual(await loadSettings({ ...sources, cwd: "/tmp" }));
    }
    expect(await Bun.file(file).text()).toMatch(/^max_bitrate = 0$/m);
  } finally {
    await Bun.file(file).delete();
  }
});
