import { expect, test } from "bun:test";
import { systemFile } from "../../src/settings/find.ts";

test("an installed server's settings are where systemd says, else in /etc, or where Windows has them", () => {
  expect(systemFile({}, "linux")).toBe("/etc/fstream/fstream.toml");
  expect(systemFile({ CONFIGURATION_DIRECTORY: "/etc/a:/etc/b" }, "linux")).toBe("/etc/a/fstream.toml");
  expect(systemFile({ CONFIGURATION_DIRECTORY: "" }, "darwin")).toBe("/etc/fstream/fstream.toml");
  expect(systemFile({ PROGRAMDATA: "/ProgramData" }, "win32")).toBe("/ProgramData/fstream/fstream.toml");
  expect(systemFile({}, "win32")).toBeUndefined();
});
