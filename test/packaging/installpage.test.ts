// What docs/install.md and the recipe for a container say of a release is what the release has.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isWindows, targets } from "../../packaging/targets.ts";

const root = join(import.meta.dir, "../..");
const page = readFileSync(join(root, "docs/install.md"), "utf8");
const containerfile = readFileSync(join(root, "packaging/container/Containerfile"), "utf8");

test("every file of a release is on the page, and no other", () => {
  const made = targets.flatMap((target) => [
    `fstream-VERSION-${target.name}.${isWindows(target) ? "zip" : "tar.gz"}`,
    ...(target.debian === undefined ? [] : [`fstream_VERSION_${target.debian}.deb`]),
  ]);
  const named = page.matchAll(/`(fstream[-_]VERSION[-_][\w-]+\.(?:tar\.gz|zip|deb))`/g);
  expect(new Set(Array.from(named, ([, name]) => name))).toEqual(new Set(made));
});

test("the container's folders are those of its settings", () => {
  const settings = readFileSync(join(root, "packaging/fstream.toml"), "utf8");
  const state = /^state_dir = "(.*)"$/m.exec(settings)?.[1] ?? "";
  const users = /^#users_dir = "(.*)"$/m.exec(settings)?.[1] ?? "";
  expect(containerfile).toContain(`VOLUME ["/etc/fstream/${users}", "${state}"]`);
  expect(page).toContain(`fstream-users:/etc/fstream/${users} `);
  expect(page).toContain(`fstream-state:${state} `);
});

test("the ports of the page and of the container are the defaults", () => {
  const table = readFileSync(join(root, "docs/settings.md"), "utf8");
  for (const [port, setting] of page
    .matchAll(/^\| (\d+)\/tcp \| `(\w+)`/gm)
    .map(([, port, setting]) => [port, setting] as const)) {
    if (setting !== "tls_listen") expect(table).toContain(`**\`${setting} = ":${port}"\`**`);
    expect(containerfile).toMatch(new RegExp(`^EXPOSE .*\\b${port}\\b`, "m"));
  }
});

test("what is to be composed is YAML, and built from the recipe", () => {
  const block = /^```yaml\n([^]*?)^```$/m.exec(page)?.[1] ?? "";
  const { services } = Bun.YAML.parse(block) as {
    services: { fstream: { build: { context: string; dockerfile: string }; volumes: string[] } };
  };
  const { build, volumes } = services.fstream;
  expect(join(build.context, build.dockerfile)).toBe("packaging/container/Containerfile");
  expect(volumes.map((volume) => volume.split(":")[1])).toEqual(["/etc/fstream/users", "/var/lib/fstream"]);
});
