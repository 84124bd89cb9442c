// The map of the code (CONTRIBUTING.md, "The map") holds: what may import what, type imports included; no cycles; no
// file that only passes on what others export.

import { describe, expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";
import { containers } from "../src/media/containers.ts";

const root = join(import.meta.dir, "..");

/** What each layer may import of ours, besides its own files. A layer is a folder of src, or a file in it. */
const allowed: Record<string, readonly string[]> = {
  errors: [],
  log: [],
  version: [],
  file: ["errors"],
  stdio: ["file", "errors"],
  keypair: ["file", "errors"],
  settings: ["file", "errors"],
  protocol: ["errors"],
  media: ["errors"],
  relay: ["media", "errors"],
  auth: ["settings", "file", "errors", "log"],
  access: ["relay", "auth", "errors", "log"],
  session: ["protocol", "access", "relay", "errors", "log"],
  web: [],
  http: ["session", "access", "protocol", "relay", "auth", "web", "errors", "log"],
  server: [
    "http",
    "session",
    "access",
    "relay",
    "auth",
    "settings",
    "keypair",
    "file",
    "errors",
    "log",
    "version",
  ],
  client: ["protocol", "media", "stdio", "file", "errors", "log"],
  commands: [
    "settings",
    "protocol",
    "media",
    "relay",
    "auth",
    "session",
    "client",
    "stdio",
    "keypair",
    "file",
    "errors",
    "log",
  ],
  main: ["commands", "stdio", "errors", "log", "version"],
};
/** Layers that work with values alone: no runtime, no clock, no randomness. */
const pure = ["protocol", "media"];
/** The one command that puts the server together. */
const mayImportServer = ["src/commands/serve.ts"];

interface Source {
  readonly path: string;
  readonly layer: string;
  readonly text: string;
  /** Paths of ours, and names of packages. */
  readonly imports: readonly string[];
}

const sources: Source[] = await Promise.all(
  [...new Glob("src/**/*.ts").scanSync(root)].map(async (path) => {
    const text = await Bun.file(join(root, path)).text();
    const specifiers = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1]);
    const imports = specifiers.map((name) =>
      name.startsWith(".") ? normalize(join(dirname(path), name)) : name,
    );
    return { path, layer: layerOf(path), text, imports };
  }),
);

function layerOf(path: string): string {
  return path.split("/")[1].replace(/\.ts$/, "");
}

const ours = (name: string) => name.startsWith("src/");

describe("the layers", () => {
  test("are the ones that the map names", () => {
    const unknown = sources.filter(({ layer }) => allowed[layer] === undefined).map(({ path }) => path);
    expect(unknown).toEqual([]);
  });

  test("import only what they may", () => {
    const wrong: string[] = [];
    for (const { path, layer, imports } of sources) {
      for (const name of imports.filter(ours)) {
        const other = layerOf(name);
        if (other === layer || allowed[layer]?.includes(other)) continue;
        if (other === "server" && mayImportServer.includes(path)) continue;
        wrong.push(`${path} imports ${name}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("have no cycles among their files", () => {
    const byPath = new Map(sources.map((source) => [source.path, source]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]) => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
      if (done.has(path) || trail.includes(path)) return;
      for (const next of byPath.get(path)?.imports.filter(ours) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const { path } of sources) visit(path, []);
    expect(cycles).toEqual([]);
  });

  test.each(pure)("leave %s without a runtime, a clock, or chance", (layer) => {
    const impure = sources
      .filter((source) => source.layer === layer)
      .filter(
        ({ text, imports }) =>
          imports.some((name) => !ours(name)) ||
          /\b(Bun|process|Buffer)\.|Math\.random|Date\.|new Date|performance\.|setTimeout|setInterval|crypto\b/.test(
            text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ""),
          ),
      )
      .map(({ path }) => path);
    expect(impure).toEqual([]);
  });

  test("have no file that only passes on what others export", () => {
    const barrels = sources
      .filter(({ text }) => {
        const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "").trim();
        return /^(export\s[^;]*from\s*"[^"]+";\s*)+$/.test(code);
      })
      .map(({ path }) => path);
    expect(barrels).toEqual([]);
  });

  test("have a file for each container, in its family's folder, named as the container is", () => {
    const files = sources
      .filter(({ layer }) => layer === "media")
      .map(({ path }) => path.split("/").slice(2));
    for (const { name } of containers)
      expect(files.filter((path) => path.length === 2 && path[1] === `${name}.ts`)).toHaveLength(1);
  });

  test("leave the process's end to main", () => {
    const exits = sources.filter(
      ({ path, text }) => path !== "src/main.ts" && /process\.exit\b(?!Code)/.test(text),
    );
    expect(exits.map(({ path }) => path)).toEqual([]);
  });
});
