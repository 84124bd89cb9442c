// Guesses at passwords, all at once and from many addresses: no more of them get an answer than the throttle allows, whatever decides
// about logins, and an honest login from elsewhere is answered meanwhile. FSTREAM_GUESSES=10000 makes more of them.

import { expect, setDefaultTimeout, test } from "bun:test";
import { deadlineMs, TestServer } from "./program.ts";

setDefaultTimeout(3 * deadlineMs);

const guesses = Number(process.env.FSTREAM_GUESSES ?? 1000);
const addresses = 64;

/** Lets in who has the right password. */
const program = ["/bin/sh", "-c", 'grep -q \'"password":"right, by a hash"\''];

/** Asks for a token as a proxy would for a client at `address`; gives the status. Nothing is polled: there are thousands of them. */
async function login(port: number, address: string, user: string, password: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: (_, bytes) => resolve(Number(Buffer.from(bytes).toString("latin1", 9, 12))),
      close: () => reject(new Error("closed without an answer")),
    },
  });
  socket.write(
    `POST /token HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${address}\r\nX-Forwarded-Proto: https\r\n` +
      `Authorization: Basic ${btoa(`${user}:${password}`)}\r\nContent-Length: 0\r\n\r\n`,
  );
  try {
    return await promise;
  } finally {
    socket.terminate();
  }
}

test.each(["users", "command"])(
  "with authenticator = %p guesses are slowed down, and nobody else is",
  async (kind) => {
    // A quarter of the usual work.
    const hash = await Bun.password.hash("right, by a hash", { algorithm: "argon2id", memoryCost: 16_384 });
    const server = await TestServer.start({
      listeners: { listen: "", tls_listen: "", https_listen: "", http_listen: "127.0.0.1:0" },
      server: 'trusted_proxies = ["127.0.0.1"]',
      auth:
        kind === "users"
          ? ""
          : `authenticator = "command"
command = ${JSON.stringify(program)}`,
      users: {
        "fier.toml": `password_hash = "${hash}"\n`,
        "zoe.toml": `password_hash = "${hash}"\n`,
      },
    });
    const port = server.port("http");
    const sinceMs = performance.now();
    const statuses = new Map<string, Map<number, number>>();
    const left = { open: guesses };
    const guess = async (number: number) => {
      const address = `198.51.100.${number % addresses}`;
      // Half of them at one user, the others at one each.
      const status = await login(port, address, number % 2 === 0 ? "fier" : `user${number}`, "wrong guess");
      const ofAddress = statuses.get(address) ?? new Map<number, number>();
      statuses.set(address, ofAddress.set(status, (ofAddress.get(status) ?? 0) + 1));
      left.open--;
    };
    const all = Array.from({ length: guesses }, (_, number) => guess(number));
    // Those who have nothing to do with it, at the user that is guessed at, and at another.
    const honest: number[] = [];
    for (let i = 0; left.open > 0 || i < 4; i++) {
      const startMs = performance.now();
      const address = `203.0.113.${i % 200}`;
      expect(await login(port, address, i % 2 === 0 ? "fier" : "zoe", "right, by a hash")).toBe(200);
      honest.push(performance.now() - startMs);
    }
    await Promise.all(all);
    const seconds = (performance.now() - sinceMs) / 1000;

    // Eleven are looked at, then sixteen may wait their turn for as long as delays last: 0.25 s at first, and soon five.
    const most = 11 + 5 + 16 * Math.ceil(seconds / 5 + 1);
    const count = (status: number) =>
      [...statuses.values()].map((ofAddress) => ofAddress.get(status) ?? 0).reduce((a, b) => a + b);
    for (const ofAddress of statuses.values()) expect(ofAddress.get(401) ?? 0).toBeLessThanOrEqual(most);
    expect(statuses.size).toBe(addresses);
    expect(count(200)).toBe(0);
    expect(count(401)).toBeGreaterThan(0);
    expect(count(401) + count(429) + count(503)).toBe(guesses);
    if (process.env.FSTREAM_GUESSES !== undefined) {
      honest.sort((a, b) => a - b);
      const at = (share: number) => Math.round(honest[Math.floor(share * (honest.length - 1))]);
      console.log(
        `${kind}: ${guesses} guesses in ${seconds.toFixed(1)} s: ${count(401)} answered, ${count(429)} limit, ` +
          `${count(503)} busy; ${honest.length} honest logins, ms: ${at(0.5)} median, ${at(1)} most`,
      );
    }
    expect(await server.stop()).toBe(0);
  },
);
