// What is answered at once, with all of the request's body there: by path. Streams are exchange.ts's.

import { reportRefusal } from "../access/refusal.ts";
import { asFstreamError } from "../errors.ts";
import { broadcastPath } from "../protocol/httpwatch.ts";
import { allowPages, describeApi } from "./api.ts";
import { giveAsset, pageOf } from "./pages.ts";
import type { HttpRequest } from "./request.ts";
import { type Answer, problem, refusal, text } from "./response.ts";
import type { HttpServices } from "./services.ts";
import { giveToken } from "./token.ts";

interface Route {
  /** A path, or with a `*` at its end all that begin so. */
  readonly path: string;
  readonly methods: readonly string[];
  /** Others of that path, which exchange.ts serves. */
  readonly streams?: readonly string[];
  /** What it throws is a refusal. */
  readonly answer: (request: HttpRequest, services: HttpServices) => Answer | Promise<Answer>;
}

const read = ["GET", "HEAD"];

const routes: readonly Route[] = [
  { path: "/", methods: read, answer: pageOf("list") },
  { path: "/play", methods: read, answer: pageOf("play") },
  { path: "/play/*", methods: read, answer: pageOf("play") },
  { path: "/broadcast/*", methods: read, answer: pageOf("broadcast") },
  { path: "/assets/*", methods: read, answer: giveAsset },
  { path: "/healthz", methods: read, answer: () => text("ok\n") },
  { path: "/token", methods: ["POST"], answer: giveToken },
  { path: "/api/channels", methods: read, answer: (request, { api }) => api.channels(request) },
  { path: "/api/channels/*", methods: read, answer: (request, { api }) => api.channel(request) },
  { path: "/api/channels/*", methods: ["DELETE"], answer: (request, { api }) => api.end(request) },
  { path: "/api/address", methods: read, answer: (request, { api }) => api.address(request) },
  { path: "/api/openapi.json", methods: read, answer: describeApi },
  { path: "/api/channels*", methods: ["OPTIONS"], answer: () => allowPages("GET, HEAD, DELETE") },
  { path: "/watch/*", methods: ["OPTIONS"], streams: read, answer: () => allowPages("GET, HEAD") },
  { path: "/metrics", methods: read, answer: (request, { api }) => api.metrics(request) },
];

/** All methods that are served somewhere (RFC 9110, section 9.3.7): Icecast's clients ask for them, and choose PUT. */
const allMethods = "GET, HEAD, PUT, POST, SOURCE, DELETE, OPTIONS";

/** The answer to a request, whatever becomes of it. */
export async function answer(request: HttpRequest, services: HttpServices): Promise<Answer> {
  try {
    return await respond(request, services);
  } catch (thrown) {
    const error = asFstreamError(thrown);
    reportRefusal(services, request.subject, request.client.address, error);
    return refusal(request, error);
  }
}

function respond(request: HttpRequest, services: HttpServices): Answer | Promise<Answer> {
  const found = routeOf(request);
  return "answer" in found ? found.answer(request, services) : found;
}

/** What answers a request; where nothing does, the answer that says so, for which no body has to be read. */
export function routeOf(request: HttpRequest): Route | Answer {
  const { method, path } = request;
  if (method === "OPTIONS" && path === "*") return text("", 200, { Allow: allMethods });
  const found = routes.filter((route) => matches(route.path, path));
  if (found.length === 0) {
    const isSent = method !== "GET" && method !== "HEAD";
    const hint = isSent ? `: send broadcasts to ${broadcastPath}USER/CHANNEL` : "";
    return problem(request, 404, "bad_request", `page not found${hint}`);
  }
  const route = found.find(({ methods }) => methods.includes(method));
  if (route !== undefined) return route;
  const methods = found.flatMap((each) => [...(each.streams ?? []), ...each.methods]);
  const message = `${method} is not supported here: use ${methods[0]}`;
  return problem(request, 405, "bad_request", message, { Allow: methods.join(", ") });
}

function matches(pattern: string, path: string): boolean {
  return pattern.endsWith("*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}
