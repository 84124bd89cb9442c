// What releases are made for: one row for each executable.

/** An operating system, a processor, and a C library where there are two. */
export interface Target {
  /** In the names of files, and as Bun's `--target` says it after `bun-`. */
  readonly name: string;
  /** The package of Bun's executable in the npm registry, which says aarch64 for arm64. */
  readonly runtime: string;
  /** Debian's name for it, where a package is made. */
  readonly debian?: string;
}

export const targets: readonly Target[] = [
  { name: "linux-x64", runtime: "@oven/bun-linux-x64", debian: "amd64" },
  { name: "linux-arm64", runtime: "@oven/bun-linux-aarch64", debian: "arm64" },
  { name: "linux-x64-musl", runtime: "@oven/bun-linux-x64-musl" },
  { name: "linux-arm64-musl", runtime: "@oven/bun-linux-aarch64-musl" },
  { name: "darwin-x64", runtime: "@oven/bun-darwin-x64" },
  { name: "darwin-arm64", runtime: "@oven/bun-darwin-aarch64" },
  { name: "windows-x64", runtime: "@oven/bun-windows-x64" },
  { name: "windows-arm64", runtime: "@oven/bun-windows-aarch64" },
  { name: "freebsd-x64", runtime: "@oven/bun-freebsd-x64" },
];

export function isWindows({ name }: Target): boolean {
  return name.startsWith("windows-");
}

export function isLinux({ name }: Target): boolean {
  return name.startsWith("linux-");
}

/** The executable's name. */
export function executableName(target: Target): string {
  return isWindows(target) ? "fstream.exe" : "fstream";
}
