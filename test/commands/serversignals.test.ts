import { describe, expect, test } from "bun:test";
import { serverSignals } from "../../src/commands/serversignals.ts";

describe("a server", () => {
  test("that a service manager started reads its settings anew on SIGHUP", () => {
    const signals = serverSignals("linux", { isOnTerminal: false, isService: false });
    expect(signals).toEqual({ stop: ["SIGTERM", "SIGINT"], reloads: true });
  });

  test("on a terminal ends when that is closed", () => {
    const signals = serverSignals("darwin", { isOnTerminal: true, isService: false });
    expect(signals).toEqual({ stop: ["SIGTERM", "SIGINT", "SIGHUP"], reloads: false });
  });

  test.each([true, false])(
    "on Windows ends when its console is closed, whatever its input is (%p)",
    (isOnTerminal) => {
      const signals = serverSignals("win32", { isOnTerminal, isService: false });
      expect(signals).toEqual({ stop: ["SIGINT", "SIGBREAK", "SIGHUP"], reloads: false });
    },
  );

  test("as a service of Windows is stopped and reloaded by the manager alone", () => {
    const signals = serverSignals("win32", { isOnTerminal: false, isService: true });
    expect(signals).toEqual({ stop: ["SIGTERM"], reloads: true });
  });
});
