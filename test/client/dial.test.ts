import { afterAll, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { parseAddress } from "../../src/client/address.ts";
import { dial } from "../../src/client/dial.ts";
import { parseFingerprint, type Trust } from "../../src/client/trust.ts";
import type { FstreamError } from "../../src/errors.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { type Certificate, certificates } from "../certificates.ts";
import { standIn } from "./standin.ts";

setDefaultTimeout(60_000);

const request = encodeRequest("watch", [["user", "fier"]]);

/** Bytes that were given to dialled sockets to write, of all of them: what is not given to one can't leave. */
let writtenBytes = 0;
const connect = Bun.connect;
const spy = spyOn(Bun, "connect").mockImplementation(
  (async (options: Bun.TCPSocketConnectOptions) =>
    await connect({
      ...options,
      socket: {
        ...options.socket,
        open(socket) {
          const write = socket.write.bind(socket);
          socket.write = (bytes, offset = 0, length?: number) => {
            writtenBytes += Buffer.byteLength(bytes) - offset;
            return write(bytes, offset, length);
          };
          return options.socket.open?.(socket);
        },
      },
    })) as typeof Bun.connect,
);
afterAll(() => spy.mockRestore());

/** Dials a server with `certificate`, and sends a request if the certificate is accepted. */
async function outcome(
  certificate: Certificate,
  trust: Trust,
): Promise<{ result: string; writtenBytes: number }> {
  writtenBytes = 0;
  await using server = standIn(
    async (peer) => {
      await peer.send("media");
      peer.fin();
    },
    { tls: certificate },
  );
  try {
    const connection = await dial(parseAddress(`fstreams://127.0.0.1:${server.port}`), trust);
    await connection.write(request);
    let text = "";
    for (let bytes = await connection.read(); bytes; bytes = await connection.read())
      text += Buffer.from(bytes);
    connection.close();
    expect(server.rawBytes()).toBe(writtenBytes);
    return { result: text, writtenBytes };
  } catch (error) {
    return { result: (error as FstreamError).code, writtenBytes };
  }
}

const accepted = { result: "media", writtenBytes: request.length };
const refused = { result: "failed", writtenBytes: 0 };

test("the system's authorities know no self-signed certificate, and nothing is sent", async () => {
  expect(await outcome(certificates.loopback, { type: "system" })).toEqual(refused);
});

test("an authorities file decides by chain and name", async () => {
  const pem = certificates.loopback.cert;
  expect(await outcome(certificates.loopback, { type: "authorities", pem })).toEqual(accepted);
  expect(await outcome(certificates.issued, { type: "authorities", pem })).toEqual(refused);
  const elsewhere = certificates.elsewhere.cert;
  expect(await outcome(certificates.elsewhere, { type: "authorities", pem: elsewhere })).toEqual(refused);
});

test("a fingerprint stands in place of name, issuer and dates", async () => {
  for (const certificate of [certificates.elsewhere, certificates.issued, certificates.expired]) {
    expect(await outcome(certificate, { type: "fingerprint", sha256: certificate.sha256 })).toEqual(accepted);
  }
});

test("another certificate than the pinned one is refused before a byte is sent, however valid it is", async () => {
  const { sha256 } = certificates.elsewhere;
  expect(await outcome(certificates.loopback, { type: "fingerprint", sha256 })).toEqual(refused);
});

test("insecure takes any certificate", async () => {
  expect(await outcome(certificates.expired, { type: "insecure" })).toEqual(accepted);
});

test("a refused certificate's error says which fingerprint to compare, as servers print it", async () => {
  const printed = new X509Certificate(certificates.loopback.cert).fingerprint256;
  await using server = standIn(() => undefined, { tls: certificates.loopback });
  const dialled = dial(parseAddress(`fstreams://127.0.0.1:${server.port}`), { type: "system" });
  expect(await dialled.catch((error: unknown) => error)).toMatchObject({
    hint: expect.stringContaining(`--fingerprint ${printed}`),
  });
});

test("a server that does not speak TLS is the wrong one, whatever is trusted", async () => {
  const plain = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.end("HTTP/1.0 400 Bad Request\r\n\r\n") },
  });
  for (const trust of [{ type: "system" }, { type: "insecure" }] as const) {
    const error = await dial(parseAddress(`fstreams://127.0.0.1:${plain.port}`), trust).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({
      code: "failed",
      message: `127.0.0.1:${plain.port} does not speak TLS`,
      hint: expect.stringContaining("61920"),
    });
  }
  const https = dial(parseAddress(`https://127.0.0.1:${plain.port}`), { type: "system" });
  expect(await https.catch((e: unknown) => e)).toMatchObject({
    hint: expect.stringContaining(`if this is the plain HTTP port, use http://127.0.0.1:${plain.port}`),
  });
  plain.stop(true);
});

test("a server that speaks fstream without TLS is recognised as such, long before the handshake is given up", async () => {
  await using server = standIn((peer) => peer.frame("error,code=not_live,message*=no such end"));
  const place = `127.0.0.1:${server.port}`;
  const error = await dial(parseAddress(`fstreams://${place}`), { type: "system" }).catch((e: unknown) => e);
  expect(error).toMatchObject({
    code: "failed",
    message: `${place} speaks fstream without TLS`,
    hint: expect.stringContaining("61922"),
  });
  expect(server.requests).toEqual(["end,id=none,reply=1"]);
});

test("refused connections and unknown names have messages of their own", async () => {
  const server = standIn(() => undefined);
  server.stop();
  const refusal = await dial(parseAddress(server.address), { type: "system" }).catch((e: unknown) => e);
  expect(refusal).toMatchObject({
    code: "disconnected",
    message: `connection refused by ${server.address}`,
    hint: `is the server running, and is ${server.port} the right port?`,
  });
  const unknown = await dial(parseAddress("nowhere.invalid"), { type: "system" }).catch((e: unknown) => e);
  expect(unknown).toMatchObject({
    code: "disconnected",
    message: "can't resolve nowhere.invalid",
    hint: undefined,
  });
});

test("what a server sent before a reset arrives, also while reading is held up", async () => {
  // More than is read before the socket is paused, and little enough for the kernel to take the rest.
  const size = 5 * 1024 * 1024;
  await using server = standIn(async (peer) => {
    await peer.send(new Uint8Array(size));
    await peer.delivered();
    peer.reset();
  });
  const connection = await dial(parseAddress(server.address), { type: "system" });
  await connection.write(request);
  // Nothing is read until the reader is full and the socket is paused.
  while (connection.unread < 4 * 1024 * 1024) await Bun.sleep(5);
  let read = 0;
  for (let bytes = await connection.read(); bytes; bytes = await connection.read()) read += bytes.length;
  expect([read, connection.ending]).toEqual([size, { type: "reset" }]);
});

test("fingerprints are read with colons or without, in any case", () => {
  const digits = "0123456789abcdef".repeat(4);
  const pairs = digits.toUpperCase().match(/../g) ?? [];
  for (const text of [digits, digits.toUpperCase(), pairs.join(":"), `sha256:${digits}`]) {
    expect(parseFingerprint(text)).toBe(digits);
  }
  for (const text of ["", digits.slice(1), `${digits}0`, digits.replace("0", "g")]) {
    expect(() => parseFingerprint(text)).toThrow("64 hex digits");
  }
});
