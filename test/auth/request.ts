// A request for a login, for tests.

import type { AuthRequest } from "../../src/auth/authenticator.ts";

/** A broadcast by fier; `changes` say what is different. */
export function authRequest(changes: Partial<AuthRequest> = {}): AuthRequest {
  return {
    action: "broadcast",
    user: "fier",
    password: "foobar",
    channel: "default",
    address: "192.0.2.1",
    protocol: "fstreams",
    id: "1",
    ...changes,
  };
}
