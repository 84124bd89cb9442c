import { describe, expect, test } from "bun:test";
import { assignSockets, type PassedSocket, passedSockets } from "../../src/server/activation.ts";

const socket = (name: string, port: number, descriptor = 3): PassedSocket => ({
  descriptor,
  name,
  host: "::",
  port,
});
const listeners = {
  listen: { host: "", port: 61920 },
  tls_listen: undefined,
  https_listen: { host: "127.0.0.1", port: 61921 },
};

describe("a passed socket", () => {
  test("is for the listener that it is named for, whatever its port is, and though that would not listen", () => {
    const sockets = [socket("tls_listen", 443), socket("listen", 61921)];
    expect([...assignSockets(sockets, listeners).keys()]).toEqual(["tls_listen", "listen"]);
  });

  test("is else for the listener of its port; several may be for one", () => {
    const sockets = [
      socket("fstream.socket", 61920),
      socket("fstream.socket", 61921, 4),
      socket("", 61920, 5),
    ];
    const assigned = assignSockets(sockets, listeners);
    expect([...assigned].map(([name, each]) => [name, each.map(({ descriptor }) => descriptor)])).toEqual([
      ["listen", [3, 5]],
      ["https_listen", [4]],
    ]);
  });

  test("for no listener is refused, with the ports that would be right", () => {
    expect(() => assignSockets([socket("x", 80)], listeners)).toThrow(
      "no listener matches the socket on [::]:80 passed by the service manager: listen is on port 61920, https_listen is on port 61921",
    );
  });
});

describe("the environment", () => {
  const pid = String(process.pid);

  test("passes nothing without the variables, or where they are another process's", () => {
    expect(passedSockets({})).toEqual([]);
    expect(passedSockets({ LISTEN_FDS: "1" })).toEqual([]);
    expect(passedSockets({ LISTEN_PID: "1", LISTEN_FDS: "1" })).toEqual([]);
    for (const count of ["0", "-1", "x", "", "1.5"])
      expect(passedSockets({ LISTEN_PID: pid, LISTEN_FDS: count })).toEqual([]);
  });

  test("passes no more than some", () => {
    expect(() => passedSockets({ LISTEN_PID: pid, LISTEN_FDS: "1000" })).toThrow(
      "1000 sockets were passed: at most 64 are supported",
    );
  });
});
