// Requests as a client makes them: byte for byte the original's where that can be, and understood by the
// decoder in any case. Single rules about values are in the vectors (handshake.test.ts).

import { describe, expect, test } from "bun:test";
import { HandshakeDecoder } from "../../src/protocol/handshake.ts";
import { parseDurationMs } from "../../src/protocol/keys.ts";
import { encodeRequest, parseRequest, type Request, wantsReply } from "../../src/protocol/request.ts";
import { dice } from "./dice.ts";
import { vector } from "./vectors.ts";

test("ordinary requests are byte for byte those of the original protocol", () => {
  const watch = encodeRequest("watch", [
    ["user", "fier"],
    ["channel", "default"],
    ["channel_password", "456"],
  ]);
  expect(Buffer.from(watch).toString("latin1")).toBe(
    "\n\n\0\0\0\x34\0watch,user=fier,channel=default,channel_password=456",
  );
  expect(watch).toEqual(vector("request-seed-watch").bytes);
  const broadcast = encodeRequest("broadcast", [
    ["user", "fier"],
    ["user_password", "123"],
    ["channel", "default"],
    ["channel_password", "456"],
  ]);
  expect(broadcast).toEqual(vector("request-seed-broadcast").bytes);
});

test("the length counts bytes, in big endian", () => {
  const bytes = encodeRequest("watch", [["user", "ñ".repeat(300)]]);
  expect([...bytes.subarray(0, 7)]).toEqual([10, 10, 0, 0, 0x02, 0x63, 0]);
  expect(bytes.length).toBe(7 + 0x263);
});

test("a value with a comma is starred, and nothing else is", () => {
  const bytes = encodeRequest("broadcast", [
    ["user", "fier"],
    ["user_password", "a,b%c"],
    ["channel", "50%"],
    ["channel_password", ""],
  ]);
  expect(Buffer.from(bytes.subarray(7)).toString()).toBe(
    "broadcast,user=fier,user_password*=a%2Cb%25c,channel=50%",
  );
});

describe("what is encoded is decoded", () => {
  const roll = dice(11);
  const alphabet = Array.from("a,%=*+ ñ日🎥/'\"\\;&2C%,");
  const secretAlphabet = [...alphabet, "\n", "\0", "\t", "\u0085", "\u007f"];
  const one = (letters: readonly string[], least: number) =>
    Array.from({ length: least + roll(20) }, () => letters[roll(letters.length)]).join("");

  test("for watchers", () => {
    const starts = ["join", "next", "live", "10s"] as const;
    for (let round = 0; round < 1000; round++) {
      const [user, channel, password] = [one(alphabet, 1), one(alphabet, 0), one(secretAlphabet, 0)];
      const start = starts[roll(starts.length)];
      const wait = roll(1000);
      const lag = (["skip", "close", undefined] as const)[roll(3)];
      const reply = roll(2) === 1;
      const request = decode(
        encodeRequest("watch", [
          ["user", user],
          ["channel", channel],
          ["channel_password", password],
          ["start", start],
          ["wait", String(wait)],
          ["lag", lag ?? ""],
          ["reply", reply ? "1" : ""],
        ]),
      );
      expect(request).toMatchObject({
        intent: "watch",
        user,
        channel: channel === "" ? "default" : channel,
        channelPassword: password,
        start: start === "10s" ? { type: "back", ms: 10_000 } : { type: start },
        waitSeconds: wait,
        slowPolicy: lag,
        reply,
      });
    }
  });

  test("for broadcasters and tokens", () => {
    for (let round = 0; round < 1000; round++) {
      const [user, password, token] = [one(alphabet, 1), one(secretAlphabet, 0), one(secretAlphabet, 0)];
      const bufsize = roll(2 ** 31);
      expect(
        decode(
          encodeRequest("broadcast", [
            ["user", user],
            ["user_password", password],
            ["token", token],
            ["bufsize", String(bufsize)],
            ["reply", "1"],
          ]),
        ),
      ).toMatchObject({
        intent: "broadcast",
        user,
        userPassword: password,
        token: token === "" ? undefined : token,
        channel: "default",
        channelPassword: "",
        bufsize,
        reply: true,
      });
      const login = encodeRequest("token", [
        ["user", user],
        ["user_password", password],
      ]);
      expect(decode(login)).toEqual({
        intent: "token",
        query: "",
        user,
        userPassword: password,
        reply: false,
      });
    }
  });
});

test("whether an answer in words is wanted is known of any text", () => {
  const wanting = [
    "x,reply=1",
    "watch,reply=1,user=",
    "reply=x,reply=0,reply=1",
    ",reply*=%31",
    "x,a*=%zz,reply=1",
  ];
  for (const text of wanting) expect({ text, wanted: wantsReply(text) }).toEqual({ text, wanted: true });
  const others = [
    "",
    "reply=1",
    "x,reply=0",
    "x,reply=10",
    "x,reply=1,reply=",
    "x,areply=1",
    "x,a=reply=1",
    "x,reply*=%",
  ];
  for (const text of others) expect({ text, wanted: wantsReply(text) }).toEqual({ text, wanted: false });
});

test("an accepted request and the look at its text agree on the answer", () => {
  for (const text of [
    "watch,user=a,reply=1",
    "watch,user=a,reply=1,reply=0",
    "watch,user=a,reply*=1,reply=0",
  ]) {
    expect(parseRequest(text).reply).toBe(wantsReply(text));
  }
});

test("durations are whole numbers with a unit", () => {
  expect(["0ms", "1ms", "10s", "2m", "3h"].map(parseDurationMs)).toEqual([0, 1, 10_000, 120_000, 10_800_000]);
  expect(["", "10", "s", "1d", "1.5s", "-1s", "1s ", "1 s", "1S", "1m30s"].map(parseDurationMs)).toEqual(
    Array.from({ length: 10 }, () => undefined),
  );
  expect(parseDurationMs(`${"9".repeat(500)}h`)).toBe(365 * 24 * 3600 * 1000);
});

function decode(bytes: Uint8Array): Request {
  const result = new HandshakeDecoder({ maxPreambleBytes: 2, maxRequestBytes: 4096 }).feed(bytes);
  if (result.type !== "request") throw new Error("not decoded");
  expect(result.rest.length).toBe(0);
  return result.request;
}
