// The authenticator "http": a service that is asked by POST, with the JSON that MediaMTX sends to its own (its documentation,
// "Authentication", "HTTP-based"), so that those that exist serve unchanged. A status of 2xx lets in. A service made for
// fstream may answer a decision as JSON, known by its `allow`; other bodies mean nothing, as with MediaMTX.

import { reasonOf } from "../errors.ts";
import type { AuthRequest } from "./authtypes.ts";
import { type Asker, Unanswered } from "./outsideauthenticator.ts";

/** Of an answer's body, bytes. */
const maxBodyBytes = 64 * 1024;
/** Of a refusal's body, what the log gets. Characters. */
const maxQuotedLength = 100;

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
    let body: string | undefined;
    try {
      response = await fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(mediaMtxRequest(request)),
        redirect: "manual",
        // A connection that was kept may be one that the service is about to close.
        keepalive: false,
        signal,
      });
      body = await bodyOf(response);
    } catch (error) {
      throw new Unanswered(`${this.#name} can't be reached: ${reasonOf(error)}`, true);
    }
    if (body === undefined)
      throw new Unanswered(`${this.#name} answered more than ${maxBodyBytes} bytes`, false);
    const { status } = response;
    if (status >= 300 && status < 400)
      throw new Unanswered(`${this.#name} answered with a redirect, which is not followed`, false);
    if (status >= 500 || status === 429)
      throw new Unanswered(`${this.#name} failed: it answered ${status}`, true);
    const said = this.#decisionIn(body, response.headers);
    if (response.ok) return said ?? true;
    const quoted = body.trim().slice(0, maxQuotedLength);
    const refused = { allow: false, reason: `status ${status}${quoted === "" ? "" : `: ${quoted}`}` };
    return said?.allow === false ? said : refused;
  }

  /** The body as a decision, if it is meant as one. */
  #decisionIn(body: string, headers: Headers): { readonly allow: unknown } | undefined {
    let parsed: unknown;
    try {
      parsed = JSON.parse(body);
    } catch {
      // What is broken may have meant to refuse.
      if (body.trim() === "" || !/^application\/json\b/i.test(headers.get("content-type") ?? ""))
        return undefined;
      throw new Unanswered(`${this.#name} answered with invalid JSON`, false);
    }
    const isMeant = typeof parsed === "object" && parsed !== null && Object.hasOwn(parsed, "allow");
    return isMeant ? (parsed as { readonly allow: unknown }) : undefined;
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

/** Undefined if it is too long: it is not read on. */
async function bodyOf({ body }: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of body ?? []) {
    bytes += piece.length;
    if (bytes > maxBodyBytes) return undefined;
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}
