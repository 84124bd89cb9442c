// A client over TLS that takes whatever certificate it is shown, and says which one that was.

import type { Socket } from "bun";

export interface TlsClient {
  /** SHA-256 of the certificate, as servers print it; undefined: the connection ended before one came. */
  readonly fingerprint: string | undefined;
  readonly socket: Socket;
}

/** Connects to a port of this machine. Resolves once the handshake is done, or has failed. */
export async function tlsClient(port: number): Promise<TlsClient> {
  const shown = Promise.withResolvers<string | undefined>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    tls: { rejectUnauthorized: false },
    socket: {
      data() {},
      error() {},
      handshake: (peer) => shown.resolve(peer.getPeerX509Certificate()?.fingerprint256),
      close: () => shown.resolve(undefined),
    },
  });
  return { fingerprint: await shown.promise, socket };
}

/** The fingerprint of the certificate that a port of this machine shows. */
export async function shownFingerprint(port: number): Promise<string | undefined> {
  const { fingerprint, socket } = await tlsClient(port);
  socket.terminate();
  return fingerprint;
}
