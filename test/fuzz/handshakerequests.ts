// What a hostile client of the protocol sends on one connection: a request of any intent, valid or with changed bytes, and what follows
// it; now and then one of HTTP.

import { encodeRequest } from "../../src/protocol/request.ts";
import { vectors } from "../protocol/vectors.ts";
import { damaged, pick, type Roll } from "./damage.ts";
import { drawRequest, type Login } from "./requests.ts";

const seeds = vectors("request-", "refused-", "more-").map(({ bytes }) => Buffer.from(bytes));
const scraps = [
  "\n",
  "\n\n",
  "\n\r\n",
  ",",
  "=",
  "*=",
  "%zz",
  "\0",
  "reply=1",
  "wait=9",
  "start=1h",
  ",lag=close",
  ",bufsize=1",
  ",token=x",
  "\xff",
  "a".repeat(5000),
];
const media = Buffer.alloc(64 * 1024, "hostile media ");

/** All that one client sends. The channels of `login` are c0 to c3; `live` is one that has a stream. */
export function drawHandshake(
  roll: Roll,
  login: Login,
  live: readonly [user: string, channel: string],
): Buffer {
  if (roll(20) === 0) return drawRequest(roll, login);
  const bytes = request(roll, login, live);
  const whole = roll(2) === 0 ? bytes : damaged(bytes, roll, scraps, pick(roll, seeds));
  return roll(3) === 0 ? Buffer.concat([whole, media.subarray(0, roll(media.length))]) : Buffer.from(whole);
}

function request(
  roll: Roll,
  { user, password }: Login,
  live: readonly [user: string, channel: string],
): Uint8Array {
  const channel = `c${roll(4)}`;
  const reply: Record<string, string> = roll(2) === 0 ? { reply: "1" } : {};
  const encode = (intent: "watch" | "broadcast" | "token" | "end", fields: Record<string, string>) =>
    encodeRequest(intent, Object.entries({ ...fields, ...reply }));
  const login = { user, user_password: password };
  switch (roll(8)) {
    case 0:
      return encode("watch", { user, channel });
    case 1:
      return encode("watch", {
        user: live[0],
        channel: live[1],
        start: pick(roll, ["1h", "live", "join", "next"]),
      });
    case 2:
      return encode("watch", { user, channel: "none", wait: "2" });
    case 3:
      return encode("token", login);
    case 4:
      return encode("end", { id: "x" });
    case 5:
      return pick(roll, seeds);
    default:
      return encode("broadcast", { ...login, channel });
  }
}
