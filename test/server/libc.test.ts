// What is asked of Linux itself, on a real socket.

import { describe, expect, test } from "bun:test";
import type { Socket } from "bun";
import { receive, unacknowledgedBytes, unansweredMs, unreadBytes } from "../../src/server/libc.ts";
import { until } from "../e2e/program.ts";

/** The descriptor of a socket, which Bun has and its types do not. */
const descriptorOf = (socket: Socket) => (socket as unknown as { readonly fd: number }).fd;

describe.skipIf(process.platform !== "linux")("a paused socket", () => {
  test("tells how much has come, and gives it to its reader", async () => {
    const accepted = Promise.withResolvers<Socket>();
    const listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => {
          socket.pause();
          accepted.resolve(socket);
        },
        data: () => {},
      },
    });
    const sent = Uint8Array.from({ length: 1000 }, (_, i) => i);
    const client = await Bun.connect({
      hostname: "127.0.0.1",
      port: listener.port,
      socket: { data: () => {} },
    });
    const socket = await accepted.promise;
    const fd = descriptorOf(socket);
    expect(unreadBytes(fd)).toBe(0);
    client.write(sent);
    await until("all of it has come", () => unreadBytes(fd) === 1000);
    expect(unacknowledgedBytes(descriptorOf(client))).toBe(0);
    expect([unansweredMs(descriptorOf(client)), unansweredMs(-1)]).toEqual([0, 0]);
    const into = new Uint8Array(600);
    expect(receive(fd, into, 100, 400)).toBe(400);
    expect(into.subarray(0, 100)).toEqual(new Uint8Array(100));
    expect(into.subarray(100, 500)).toEqual(sent.subarray(0, 400));
    expect(into.subarray(500)).toEqual(new Uint8Array(100));
    expect(unreadBytes(fd)).toBe(600);
    client.end();
    socket.terminate();
    listener.stop(true);
    expect(unreadBytes(-1)).toBe(0);
    expect(receive(-1, into, 0, 100)).toBe(0);
  });
});
