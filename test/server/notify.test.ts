import { describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Notifier, watchdogMs } from "../../src/server/notify.ts";
import { keptLog } from "../auth/answering.ts";
import { until } from "../e2e/program.ts";
import { Notifications } from "../e2e/servicemanager.ts";

describe("the watchdog", () => {
  test("is fed twice in its time", () => {
    expect(watchdogMs({ WATCHDOG_USEC: "30000000" }, 7)).toBe(15_000);
    expect(watchdogMs({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, 7)).toBe(15_000);
    expect(watchdogMs({ WATCHDOG_USEC: "1" }, 7)).toBe(1);
    expect(watchdogMs({ WATCHDOG_USEC: "999999999999999" }, 7)).toBe(2 ** 30);
  });

  test("is not there where it is another process's, or no time", () => {
    expect(watchdogMs({}, 7)).toBeUndefined();
    expect(watchdogMs({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }, 7)).toBeUndefined();
    for (const time of ["", "0", "-1", "1s", "1e9"])
      expect(watchdogMs({ WATCHDOG_USEC: time }, 7)).toBeUndefined();
  });
});

describe.skipIf(process.platform !== "linux")("notifications", () => {
  test("wait for a manager that is not there yet, and come in their order", async () => {
    const address = join(mkdtempSync(join(tmpdir(), "fstream-notify-")), "socket");
    const { log, lines } = keptLog();
    const notifier = new Notifier({ NOTIFY_SOCKET: address }, log);
    notifier.begin(() => "fine");
    notifier.reloading();
    notifier.reloaded();
    notifier.stopping(500);
    const notifications = new Notifications(address);
    await until("they come", () => notifications.all.length === 4);
    expect(notifications.all[0]).toBe("READY=1\nSTATUS=fine");
    expect(notifications.all[1]).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    expect(notifications.all.slice(2)).toEqual(["READY=1", "STOPPING=1\nEXTEND_TIMEOUT_USEC=10500000"]);
    notifier.end();
    expect(lines).toEqual([]);
    notifications.close();
  });

  test("to an address of another kind are not sent, with a warning", () => {
    for (const address of ["vsock:2:1234", "relative", "/", `/${"x".repeat(108)}`]) {
      const { log, lines } = keptLog();
      new Notifier({ NOTIFY_SOCKET: address }, log).reloaded();
      expect(lines.join()).toContain(`can't reach the service manager at ${address}`);
    }
  });

  test("without an address are not sent", () => {
    const { log, lines } = keptLog();
    for (const environment of [{}, { NOTIFY_SOCKET: "" }]) new Notifier(environment, log).reloaded();
    expect(lines).toEqual([]);
  });
});
