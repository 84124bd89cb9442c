// The authenticator "http": a service that is asked by POST, with the JSON that MediaMTX sends to its own (its documentation,
// "Authentication", "HTTP-based"), so that those that exist serve unchanged. A status of 2xx lets in. A service made for
// fstream may answer a decision as JSON, known by its `allow`; other bodies mean nothing, as with MediaMTX.

import type { AuthRequest } from "./authtypes.ts";
import { type Asker, Unanswered } from "./outsideauthenticator.ts";

/** Of an answer's body, bytes. */
const maxBodyBytes = 64 * 1024;
/** Of a refusal's body, what the log gets. Characters. */
const maxReasonLength = 100;

export class HttpAsker implements Asker {
  readonly #url: string;
  /** For the log: not all of it, as there may be a key in it. */
  readonly #name: string;

  constructor(url: string) {
    this.#url = url;
    this.#name = new URL(url).host;
  }

  async ask(request: AuthRequest, signal: AbortSignal): Promise<unknown> {
    let response: Response;
    let body: string;
    try {
      response = await fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(mediaMtxRequest(request)),
        redirect: "manual",
        signal,
      });
      body = await bodyOf(response);
    } catch (error) {
      throw new Unanswered(`${this.#name} can't be asked: ${(error as Error).message}`, true);
    }
    const { status } = response;
    if (status >= 300 && status < 400)
      throw new Unanswered(`${this.#name} redirects, which is not followed`, false);
    if (status >= 500) throw new Unanswered(`${this.#name} failed: it answered ${status}`, true);
    const said = decisionIn(body);
    if (response.ok) return said ?? true;
    return said ?? { allow: false, reason: `answered ${status}: ${body.trim().slice(0, maxReasonLength)}` };
  }
}

/** All of its keys are always there. */
export function mediaMtxRequest(request: AuthRequest): Readonly<Record<string, string>> {
  const { action, user, watcher, password, channel, address, protocol, id, query, userAgent } = request;
  return {
    user: (action === "watch" ? watcher : user) ?? "",
    password: password ?? "",
    token: "",
    ip: address,
    action: action === "watch" ? "read" : "publish",
    path: channel === undefined ? user : `${user}/${channel}`,
    protocol,
    id,
    query: query ?? "",
    userAgent: userAgent ?? "",
  };
}

/** The body as a decision, if it is meant as one. */
function decisionIn(body: string): unknown {
  try {
    const parsed: unknown = JSON.parse(body);
    const isMeant = typeof parsed === "object" && parsed !== null && Object.hasOwn(parsed, "allow");
    return isMeant ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** At most so much of it. */
async function bodyOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of body ?? []) {
    text += decoder.decode(piece.subarray(0, maxBodyBytes - bytes), { stream: true });
    bytes += piece.length;
    if (bytes >= maxBodyBytes) break;
  }
  return text;
}
