// Many pieces to real sockets with one call, where the system can do it.

import { afterAll, describe, expect, test } from "bun:test";
import type { Socket } from "bun";
import type { SendBatch } from "../../src/relay/sendbatch.ts";
import { sendBatch } from "../../src/server/sendbatch.ts";
import { until } from "../e2e/program.ts";

describe.if(process.platform === "linux")("a batch of pieces", () => {
  const batch = sendBatch() as SendBatch;
  const accepted: Socket[] = [];
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => void accepted.push(socket), data: () => {} },
  });
  const clients: Socket[] = [];
  afterAll(() => {
    for (const client of clients) client.terminate();
    listener.stop(true);
  });

  const connect = async () => {
    const received: Uint8Array[] = [];
    const client = await Bun.connect({
      hostname: "127.0.0.1",
      port: listener.port,
      socket: { data: (_socket, bytes) => void received.push(new Uint8Array(bytes)) },
    });
    const count = clients.push(client);
    await until("it is accepted", () => accepted.length === count);
    const socket = accepted[count - 1];
    const { fd } = socket as unknown as { fd: number };
    return { client, socket, fd, received: () => new Uint8Array(Buffer.concat(received)) };
  };

  test("reaches each socket, whatever the buffers are", async () => {
    const [a, b, c] = [await connect(), await connect(), await connect()];
    const one = Uint8Array.from({ length: 70_000 }, (_, i) => i & 0xff);
    const other = new TextEncoder().encode("another buffer");
    batch.add(a.fd, one, 10, 60_000);
    batch.add(b.fd, other, 8, 6);
    batch.add(c.fd, one, 0, 1);
    expect(batch.size).toBe(3);
    batch.send();
    expect([0, 1, 2].map((index) => batch.taken(index))).toEqual([60_000, 6, 1]);
    expect(batch.size).toBe(0);
    await until("all has come", () => a.received().length === 60_000 && b.received().length === 6);
    await until("all has come", () => c.received().length === 1);
    expect(a.received()).toEqual(one.subarray(10, 60_010));
    expect(new TextDecoder().decode(b.received())).toBe("buffer");
  });

  test("tells what a socket did not take, for want of room or of a peer", async () => {
    const [full, gone, well] = [await connect(), await connect(), await connect()];
    full.client.pause();
    gone.client.terminate();
    await until("its peer is gone", () => (gone.socket.readyState as number | string) !== 1);
    const much = new Uint8Array(16 * 1024 * 1024);
    batch.add(full.fd, much, 0, much.length);
    batch.add(gone.fd, much, 0, 10);
    batch.add(well.fd, much, 0, 10);
    batch.send();
    expect(batch.taken(0)).toBeGreaterThan(0);
    expect(batch.taken(0)).toBeLessThan(much.length);
    expect([batch.taken(1), batch.taken(2)]).toEqual([-1, 10]);
    batch.add(full.fd, much, 0, much.length);
    batch.send();
    expect(batch.taken(0)).toBeLessThan(much.length);
  });

  test("holds a thousand, and again as many after them", async () => {
    const { fd, received } = await connect();
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    let added = 0;
    for (let round = 0; round < 3; round++) {
      for (; !batch.isFull; added++) batch.add(fd, bytes, added % 256, 1);
      batch.send();
    }
    expect(added).toBeGreaterThanOrEqual(3000);
    await until("all has come", () => received().length === added);
    expect(received().every((byte, index) => byte === index % 256)).toBe(true);
  });
});
