// What is answered at once, with all of the request's body there: by path. Streams are exchange.ts's.

import { reportRefusal } from "../access/refusal.ts";
import { asFstreamError } from "../errors.ts";
import { giveAsset, pageOf } from "./pages.ts";
import type { HttpRequest } from "./request.ts";
import { refusal, text } from "./response.ts";
import type { HttpServices } from "./services.ts";
import { giveToken } from "./token.ts";

interface Route {
  /** A path, or with a `*` at its end all that begin so. */
  readonly path: string;
  readonly methods: readonly string[];
  /** What it throws is a refusal. */
  readonly answer: (request: HttpRequest, services: HttpServices) => Response | Promise<Response>;
}

const routes: readonly Route[] = [
  { path: "/", methods: ["GET", "HEAD"], answer: pageOf("list") },
  { path: "/play", methods: ["GET", "HEAD"], answer: pageOf("play") },
  { path: "/play/*", methods: ["GET", "HEAD"], answer: pageOf("play") },
  { path: "/broadcast/*", methods: ["GET", "HEAD"], answer: pageOf("broadcast") },
  { path: "/assets/*", methods: ["GET", "HEAD"], answer: giveAsset },
  { path: "/healthz", methods: ["GET", "HEAD"], answer: () => text("ok\n") },
  { path: "/token", methods: ["POST"], answer: giveToken },
];

/** All methods that are served somewhere (RFC 9110, section 9.3.7): Icecast's clients ask for them, and choose PUT. */
const allMethods = "GET, HEAD, PUT, POST, SOURCE, DELETE, OPTIONS";

/** The answer to a request, whatever becomes of it. */
export async function answer(request: HttpRequest, services: HttpServices): Promise<Response> {
  try {
    return await respond(request, services);
  } catch (thrown) {
    const error = asFstreamError(thrown);
    reportRefusal(services, request.subject, request.client.address, error);
    return refusal(request, error);
  }
}

function respond(request: HttpRequest, services: HttpServices): Response | Promise<Response> {
  const { method, path } = request;
  if (method === "OPTIONS" && path === "*") return text("", 200, { Allow: allMethods });
  const found = routes.filter((route) => matches(route.path, path));
  if (found.length === 0) return text("nothing here\n", 404);
  const route = found.find(({ methods }) => methods.includes(method));
  if (route !== undefined) return route.answer(request, services);
  const methods = found.flatMap((each) => each.methods);
  return text(`${method} is not served here: use ${methods[0]}\n`, 405, { Allow: methods.join(", ") });
}

function matches(pattern: string, path: string): boolean {
  return pattern.endsWith("*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}
