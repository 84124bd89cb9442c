// The first message on a WebSocket: the keys of requests as JSON.

import { describe, expect, test } from "bun:test";
import {
  messageType,
  parseBroadcastMessage,
  parseWatchMessage,
  tokenOf,
} from "../../src/protocol/socketmessage.ts";

const watch = (value: unknown) => parseWatchMessage(JSON.stringify(value));
const broadcast = (value: unknown) => parseBroadcastMessage(JSON.stringify(value));

describe("a watcher's message", () => {
  test("may be empty", () => {
    const usual = {
      channelPassword: "",
      start: { type: "join" },
      watcher: undefined,
      watcherPassword: "",
      waitSeconds: 0,
      slowPolicy: undefined,
    } as const;
    expect(watch({})).toEqual(usual);
    expect(watch({ channel_password: "", start: null, wait: "", lag: "", other: [1], user: "eve" })).toEqual(
      usual,
    );
  });

  test("has the values that a request has, numbers also as numbers", () => {
    const all = {
      channel_password: "a,b",
      watcher: "ann",
      watcher_password: 7,
      start: "10s",
      wait: 30,
      lag: "close",
    };
    expect(watch(all)).toEqual({
      channelPassword: "a,b",
      watcher: "ann",
      watcherPassword: "7",
      start: { type: "back", ms: 10_000 },
      waitSeconds: 30,
      slowPolicy: "close",
    });
    expect(watch({ channel_password: 456, wait: "7" })).toMatchObject({
      channelPassword: "456",
      waitSeconds: 7,
    });
  });

  test.each([
    ["x", "the message is not JSON"],
    ["", "the message is not JSON"],
    ["[]", "the message is not a JSON object"],
    ["null", "the message is not a JSON object"],
    ['"start"', "the message is not a JSON object"],
    ['{"wait":{}}', "wait must be a string or a number"],
    ['{"channel_password":true}', "channel_password must be a string or a number"],
    ['{"wait":1.5}', "wait is not a whole number"],
    ['{"wait":-1}', "wait is not a whole number"],
    ['{"wait":1e300}', "wait is not a whole number"],
    ['{"start":"soon"}', "start must be join, next, live or a duration such as 10s"],
    ['{"lag":"wait"}', "lag must be skip or close"],
  ])("%s is a bad request", (message, words) => {
    expect(() => parseWatchMessage(message)).toThrow(
      expect.objectContaining({ code: "bad_request", message: words }),
    );
  });
});

describe("a broadcaster's message", () => {
  test("has a password or a token", () => {
    expect(broadcast({ user_password: "123", channel_password: "456", bufsize: 188 })).toEqual({
      userPassword: "123",
      token: undefined,
      channelPassword: "456",
      bufsize: 188,
    });
    expect(broadcast({ token: "abc" })).toMatchObject({ userPassword: "", token: "abc" });
  });

  test("with a bad value is a bad request, and its token is known all the same", () => {
    const message = '{"token":"abc","bufsize":"many"}';
    expect(() => parseBroadcastMessage(message)).toThrow("bufsize is not a whole number");
    expect(tokenOf(message)).toBe("abc");
    expect(["{", "[]", "{}", '{"token":[]}'].map(tokenOf)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

test("what a message is, is its type", () => {
  expect(
    ['{"type":"end"}', '{"type":7}', "{}", "x", '{"type":{}}', '{"__proto__":{"type":"end"}}'].map(
      messageType,
    ),
  ).toEqual(["end", "7", undefined, undefined, undefined, undefined]);
});
