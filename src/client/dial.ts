// From an address to a connection. Bun tries the addresses of a name side by side, and checks name, chain and
// time of a certificate; trust.ts decides whether that verdict counts. The connection is handed out only once the
// certificate is accepted, so nothing of a request can be sent before.

import { isIP } from "node:net";
import type { Socket } from "bun";
import { FstreamError } from "../errors.ts";
import { type Address, formatPlace, isSecure } from "./address.ts";
import { ServerConnection } from "./connection.ts";
import { usualPorts } from "./firstreply.ts";
import { speaksPlain } from "./plainprobe.ts";
import { type Trust, tlsOptions, verifyPeer } from "./trust.ts";

/** Time for the TCP and TLS handshakes together, milliseconds. */
const connectTimeoutMs = 10_000;
/** A server that has not answered the TLS handshake by then is asked whether it speaks plain fstream. Milliseconds. */
const plainMs = 1000;
/** Idle time after which the kernel asks whether the server is still there; ten seconds more, and it is not. */
const keepAliveMs = 5000;

/**
 * Connects. Rejects with FstreamError `disconnected` where trying again may help, with `failed` where the
 * certificate is not trusted. `peer` is the one IP address to take, of those that the name may have.
 */
export async function dial(address: Address, trust: Trust, peer?: string): Promise<ServerConnection> {
  const place = formatPlace(address);
  const secure = isSecure(address);
  // The certificate is the name's, whichever of its addresses is taken.
  const named = peer !== undefined && isIP(address.host) === 0 ? { serverName: address.host } : {};
  const hint = secure ? `this port may not speak TLS; ${usualPorts}` : undefined;
  const { promise, resolve, reject } = Promise.withResolvers<ServerConnection>();
  let connection: ServerConnection | undefined;
  let given = false;
  const refuse = (error: FstreamError, socket: Socket | undefined) => {
    given = true;
    socket?.terminate();
    reject(error);
  };
  const accept = () => {
    given = true;
    if (connection !== undefined) resolve(connection);
  };
  const timer = setTimeout(() => {
    refuse(
      new FstreamError("disconnected", `no answer from ${place} within ${connectTimeoutMs / 1000} s`, {
        hint,
      }),
      undefined,
    );
    connection?.close();
  }, connectTimeoutMs);

  let plainTimer: ReturnType<typeof setTimeout> | undefined;
  const askPlain = async (socket: Socket) => {
    const isPlain = await speaksPlain(socket.remoteAddress, address.port);
    if (!isPlain || given) return;
    refuse(
      new FstreamError("failed", `${place} speaks fstream without TLS`, {
        hint:
          address.scheme === "https"
            ? "https:// is usually on port 61921"
            : `fstreams:// is usually on port 61922; without TLS the address is ${place}`,
      }),
      socket,
    );
  };

  Bun.connect({
    hostname: peer ?? address.host,
    port: address.port,
    allowHalfOpen: true,
    ...(secure ? { tls: { ...tlsOptions(trust), ...named } } : {}),
    socket: {
      open(socket) {
        // The timer may have been faster.
        if (given) {
          socket.terminate();
          return;
        }
        socket.setKeepAlive(true, keepAliveMs);
        connection = new ServerConnection(socket, place, socket.remoteAddress, secure);
        if (secure) plainTimer = setTimeout(() => void askPlain(socket), plainMs);
        else accept();
      },
      handshake(socket, authorized, error) {
        if (given) return;
        const certificate = socket.getPeerCertificate?.();
        const refusal = verifyPeer(
          trust,
          { authorized, reason: error?.message ?? "", certificate: certificate ?? undefined },
          place,
          ...(address.scheme === "https"
            ? [`if this is the plain HTTP port, use http://${place}; ${usualPorts}`]
            : []),
        );
        if (refusal === undefined) accept();
        else refuse(refusal, socket);
      },
      data: (_, bytes) => connection?.received(bytes),
      drain: () => connection?.drained(),
      end: () => connection?.closed({ type: "fin" }),
      error: (_, error) => connection?.closed({ type: "error", message: error.message }),
      close(_, error) {
        connection?.closed(endingOf(error));
        if (!given)
          refuse(
            new FstreamError("disconnected", `${place} closed the connection immediately`, { hint }),
            undefined,
          );
      },
    },
  }).catch((error: unknown) => {
    if (given) return;
    const refused = codeOf(error) === "ECONNREFUSED";
    const question = refused ? `is the server running, and is ${address.port} the right port?` : undefined;
    const options = { hint: question, cause: error };
    refuse(new FstreamError("disconnected", failureWords(error, address), options), undefined);
  });

  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    clearTimeout(plainTimer);
  }
}

/** Whether `error` is one of `dial` that says that nothing listens there. */
export function isRefused({ cause }: FstreamError): boolean {
  return codeOf(cause) === "ECONNREFUSED";
}

function endingOf(
  error: Error | undefined | null,
): { type: "fin" | "reset" } | { type: "error"; message: string } {
  if (error === undefined || error === null) return { type: "fin" };
  const code = codeOf(error);
  return code === "ECONNRESET" || code === "EPIPE"
    ? { type: "reset" }
    : { type: "error", message: code === "ETIMEDOUT" ? "timed out" : error.message };
}

function failureWords(error: unknown, address: Address): string {
  const place = formatPlace(address);
  const code = codeOf(error);
  switch (code) {
    case "ECONNREFUSED":
      return `connection refused by ${place}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_NODATA":
      return `can't resolve ${address.host}`;
    case "ETIMEDOUT":
      return `no answer from ${place}`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `no route to ${place}`;
    default:
      return `can't connect to ${place}: ${error instanceof Error ? error.message : code}`;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
