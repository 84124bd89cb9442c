// Which real sockets can be read, where the system can tell.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Socket } from "bun";
import { Epoll } from "../../src/server/epoll.ts";
import { until } from "../e2e/program.ts";

type Ended = { error: boolean; bytes: number };

describe.if(process.platform === "linux")("of sockets that are paused", () => {
  const accepted: Socket<Ended>[] = [];
  const listener = Bun.listen<Ended>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      open(socket) {
        socket.data = { error: false, bytes: 0 };
        socket.pause();
        accepted.push(socket);
      },
      data(socket, bytes) {
        socket.data.bytes += bytes.length;
      },
    },
  });
  const epoll = new Epoll();
  const clients: Socket[] = [];

  const connect = async () => {
    const client = await Bun.connect({
      hostname: "127.0.0.1",
      port: listener.port,
      socket: { data: () => {} },
    });
    const count = clients.push(client);
    await until("it is accepted", () => accepted.length === count);
    return { client, descriptor: (accepted[count - 1] as unknown as { fd: number }).fd };
  };

  const polled = () => {
    const readable: number[] = [];
    const over: number[] = [];
    epoll.wait(
      0,
      (descriptor) => readable.push(descriptor),
      (descriptor) => over.push(descriptor),
    );
    return { readable, over };
  };

  beforeAll(() => expect(polled()).toEqual({ readable: [], over: [] }));
  afterAll(() => {
    for (const client of clients) client.terminate();
    listener.stop(true);
  });

  test("those are told that have bytes, again and again until they are read", async () => {
    const { client, descriptor } = await connect();
    const other = await connect();
    expect(epoll.add(descriptor)).toBe(true);
    expect(epoll.add(other.descriptor)).toBe(true);
    expect(polled()).toEqual({ readable: [], over: [] });
    client.write("abc");
    await until("it is readable", () => polled().readable.length === 1);
    expect(polled()).toEqual({ readable: [descriptor], over: [] });
    expect(accepted[0].data.bytes).toBe(0);
    epoll.remove(descriptor);
    expect(polled()).toEqual({ readable: [], over: [] });
    other.client.write("abc");
    await until("the other is readable", () => polled().readable[0] === other.descriptor);
  });

  test("those that have ended are told as such, with bytes or without", async () => {
    const { client, descriptor } = await connect();
    epoll.add(descriptor);
    client.write("abc");
    client.shutdown();
    await until("it has ended", () => polled().over[0] === descriptor);
    epoll.remove(descriptor);
    accepted.at(-1)?.resume();
    await until("events bring the bytes", () => accepted.at(-1)?.data.bytes === 3);
  });

  test("those that were reset too", async () => {
    const { client, descriptor } = await connect();
    epoll.add(descriptor);
    client.terminate();
    await until("it has failed", () => polled().over[0] === descriptor);
    epoll.remove(descriptor);
  });

  test("a wait for them ends once the event loop has something to do", async () => {
    const { client, descriptor } = await connect();
    const other = await connect();
    accepted.at(-1)?.resume();
    expect(epoll.add(descriptor)).toBe(true);
    expect(epoll.watchEvents(999_999)).toBe(false);
    const told: number[] = [];
    const tell = (of: number) => told.push(of);
    const waiting = new Epoll();
    expect(waiting.watchEvents(descriptor)).toBe(true);
    expect(waiting.add(descriptor)).toBe(true);
    other.client.write("abc");
    await until("an event brings it", () => {
      const isThere = accepted.at(-1)?.data.bytes === 3;
      if (!isThere) expect(waiting.wait(10_000, tell, tell)).toBe(true);
      return isThere;
    });
    client.write("abc");
    await until("what was sent has come", () => {
      waiting.wait(100, tell, tell);
      return told.length > 0;
    });
    expect(told[0]).toBe(descriptor);
    waiting.ignoreEvents();
    other.client.write("abc");
    expect(waiting.wait(0, tell, tell)).toBe(false);
    waiting.remove(descriptor);
    epoll.remove(descriptor);
  });

  test("what is no socket is none", () => {
    expect(epoll.add(-1)).toBe(false);
    expect(epoll.add(999_999)).toBe(false);
  });
});
