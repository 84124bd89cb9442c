// What a server says on a WebSocket (protocol/README.md, "WebSocket"): texts that are JSON objects, and Close frames behind
// those that are the last.

import { type Code, type FstreamError, isWireCode } from "../errors.ts";
import type { End } from "../relay/broadcast.ts";
import { closeCodes, encodeClose, encodeMessage } from "./frames.ts";

/** `{"type":"ok"}`: to a watcher with what its stream is, to a broadcaster with where people can watch, if that is known. */
export function encodeOk(info: object = {}): Uint8Array {
  return encodeMessage({ type: "ok", ...info });
}

/** What a peer asked for it does not get, or not any longer. */
export function encodeRefusal(error: FstreamError): Uint8Array {
  const code: Code = isWireCode(error.code) ? error.code : "internal";
  const message = code === "internal" ? "internal server error" : error.message;
  return last({ type: "error", code, message }, closeCodeOf(code), code);
}

/** A watcher's stream is over. A broadcaster that is gone has no code of its own. */
export function encodeEnd(end: End): Uint8Array {
  if (end.type === "orderly") return last({ type: "end", reason: "ended" }, closeCodes.normal, "ended");
  const code = isWireCode(end.error.code) ? end.error.code : "not_live";
  return last({ type: "end", reason: code }, closeCodeOf(code), code);
}

/** A broadcaster's stream is over as it wanted, after so many bytes. */
export function encodeBroadcastEnd(bytes: number): Uint8Array {
  return last({ type: "end", bytes }, closeCodes.normal, "ended");
}

function last(message: object, code: number, reason: string): Uint8Array {
  const text = encodeMessage(message);
  const close = encodeClose(code, reason);
  const both = new Uint8Array(text.length + close.length);
  both.set(text);
  both.set(close, text.length);
  return both;
}

/** Of those that do not mean that it is no use to try again (RFC 6455, section 7.4.1). */
const closeCodeOfCode: Partial<Record<Code, number>> = {
  shutting_down: closeCodes.goingAway,
  busy: closeCodes.tryAgainLater,
  limit: closeCodes.tryAgainLater,
  internal: closeCodes.internalError,
};

function closeCodeOf(code: Code): number {
  return closeCodeOfCode[code] ?? closeCodes.policyViolation;
}
