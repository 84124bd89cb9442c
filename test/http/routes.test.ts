// What is served where, and what is said where nothing is.

import { expect, test } from "bun:test";
import { requestOf } from "../../src/http/request.ts";
import { routeOf } from "../../src/http/routes.ts";

/** The status and the text of a request that is answered before its body is read; "" where it has to be. */
function refusedAtOnce(method: string, target: string): string {
  const head = { method, target, minorVersion: 1, headers: new Headers({ "Content-Length": "99999999" }) };
  const route = routeOf(
    requestOf(
      head,
      { address: "192.0.2.1", secure: true },
      { trusted: () => false, options: { publicUrl: undefined } },
    ),
  );
  return "answer" in route ? "" : `${route.status} ${Buffer.from(route.body).toString().trim()}`;
}

test("what is sent to a path that takes nothing is refused before its body is read, with the path that would be right", () => {
  const hint = "404 page not found: send broadcasts to /broadcast/USER/CHANNEL";
  expect(refusedAtOnce("PUT", "/brodcast/fier/default")).toBe(hint);
  expect(refusedAtOnce("POST", "/broadcast")).toBe(hint);
  expect(refusedAtOnce("GET", "/brodcast")).toBe("404 page not found");
  expect(refusedAtOnce("POST", "/token")).toBe("");
  expect(refusedAtOnce("PUT", "/token")).toBe("405 PUT is not supported here: use POST");
});
