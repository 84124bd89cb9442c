import { expect, test } from "bun:test";
import { ServerConnection, type Wire } from "../../src/client/connection.ts";
import { FstreamError } from "../../src/errors.ts";

/** A socket whose kernel takes what `room` says. */
class FakeWire implements Wire {
  room = Number.POSITIVE_INFINITY;
  readonly calls: string[] = [];
  taken = "";

  write(bytes: Uint8Array, offset: number, length: number): number {
    const took = Math.min(length, this.room);
    this.room -= took;
    this.taken += Buffer.from(bytes.subarray(offset, offset + took)).toString();
    return took;
  }
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
  shutdown(): void {
    this.calls.push("shutdown");
  }
  end(): void {
    this.calls.push("end");
  }
}

function connected(): { wire: FakeWire; connection: ServerConnection } {
  const wire = new FakeWire();
  return { wire, connection: new ServerConnection(wire, "relay.example:61920") };
}

const bytes = (text: string) => new TextEncoder().encode(text);

test("a write goes on after each drain, a spurious one too, until the kernel took everything", async () => {
  const { wire, connection } = connected();
  wire.room = 3;
  let done = false;
  const written = connection.write(bytes("abcdefgh")).then(() => {
    done = true;
  });
  connection.drained();
  await Bun.sleep(0);
  expect([wire.taken, done]).toEqual(["abc", false]);
  wire.room = 4;
  connection.drained();
  await Bun.sleep(0);
  expect([wire.taken, done]).toEqual(["abcdefg", false]);
  wire.room = 1;
  connection.drained();
  await written;
  expect(wire.taken).toBe("abcdefgh");
});

test("a blocked write rejects as disconnected when the connection is reset", async () => {
  const { wire, connection } = connected();
  wire.room = 0;
  const written = connection.write(bytes("a"));
  connection.closed({ type: "reset" });
  const error = await written.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FstreamError);
  expect(error as FstreamError).toMatchObject({
    code: "disconnected",
    message: "connection to relay.example:61920 was reset",
  });
});

test("bytes are read in order, and the end only after all of them", async () => {
  const { connection } = connected();
  connection.received(bytes("a"));
  connection.received(bytes("b"));
  connection.closed({ type: "reset" });
  expect(await connection.read()).toEqual(bytes("a"));
  expect(await connection.read()).toEqual(bytes("b"));
  expect(await connection.read()).toBeUndefined();
});

test("a reader that waits gets the bytes that come later", async () => {
  const { connection } = connected();
  const read = connection.read();
  connection.received(bytes("late"));
  expect(await read).toEqual(bytes("late"));
});

test("the first ending counts: a close after a FIN is still a FIN", () => {
  const { connection } = connected();
  connection.closed({ type: "fin" });
  connection.closed({ type: "reset" });
  expect(connection.ending).toEqual({ type: "fin" });
});

test("after a server's FIN there can still be written", async () => {
  const { wire, connection } = connected();
  connection.closed({ type: "fin" });
  await connection.write(bytes("more"));
  expect(wire.taken).toBe("more");
});

test("more than 4 MiB unread pauses the socket, and less than 1 MiB resumes it", async () => {
  const { wire, connection } = connected();
  const chunk = new Uint8Array(512 * 1024);
  for (let i = 0; i < 8; i++) connection.received(chunk);
  expect(wire.calls).toEqual([]);
  connection.received(chunk);
  connection.received(chunk);
  expect(wire.calls).toEqual(["pause"]);
  for (let i = 0; i < 8; i++) await connection.read();
  expect(wire.calls).toEqual(["pause"]);
  await connection.read();
  expect(wire.calls).toEqual(["pause", "resume"]);
  expect(connection.unread).toBe(chunk.length);
});

test("what was received stays readable after our close, and a shutdown is sent at most once", async () => {
  const { wire, connection } = connected();
  connection.received(bytes("kept"));
  connection.shutdown();
  connection.shutdown();
  connection.close();
  connection.shutdown();
  expect(await connection.read()).toEqual(bytes("kept"));
  expect(await connection.read()).toBeUndefined();
  expect(wire.calls).toEqual(["shutdown", "end"]);
});
