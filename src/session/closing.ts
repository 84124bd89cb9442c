// The end of a connection: the final bytes are written, and then it is closed such that the peer can tell how.
//
//   "fin":   the final bytes, FIN; what still comes is read and dropped for at most 2 s, since closing with unread
//            bytes would be a reset that can take the final bytes with it; then it is closed
//   "reset": the final bytes; once the peer's kernel has acknowledged them, a reset. That tells a watcher that asked for
//            replies that its stream was cut short (protocol/README.md, "How a stream ends")

import type { Timer } from "../relay/clock.ts";
import type { Connection, ConnectionStage } from "./connection.ts";
import type { Services } from "./services.ts";

/** How long a peer's bytes are read and dropped after our FIN, milliseconds. */
const lingerMs = 2000;

export type CloseMode = "fin" | "reset";

/** What is written last: one buffer, or several in this order, which may be shared. */
export type FinalBytes = Uint8Array | readonly Uint8Array[];

export class ClosingStage implements ConnectionStage {
  readonly #connection: Connection;
  readonly #services: Pick<Services, "clock" | "acknowledgements">;
  /** Those that are not whole at the peer's socket yet. */
  #pieces: readonly Uint8Array[];
  readonly #mode: CloseMode;
  readonly #timeoutMs: number;
  /** Of the first piece. */
  #sent = 0;
  #timer: Timer | undefined;
  #peerEnded = false;
  #over = false;

  /** `timeoutMs` bounds how long the peer may take to accept the final bytes. */
  constructor(
    connection: Connection,
    services: Pick<Services, "clock" | "acknowledgements">,
    finalBytes: FinalBytes,
    mode: CloseMode,
    timeoutMs: number,
  ) {
    this.#connection = connection;
    this.#services = services;
    this.#pieces = finalBytes instanceof Uint8Array ? [finalBytes] : finalBytes;
    this.#mode = mode;
    this.#timeoutMs = timeoutMs;
  }

  /** To be called once, as soon as this is the connection's stage. */
  begin(): void {
    this.#timer = this.#services.clock.after(this.#timeoutMs, () => this.#reset());
    this.#write();
  }

  data(): void {}

  drained(): void {
    if (this.#pieces.length > 0) this.#write();
  }

  ended(): void {
    this.#peerEnded = true;
    if (this.#mode === "fin" && this.#pieces.length === 0) this.#close();
  }

  closed(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  stop(): void {}

  #write(): void {
    for (let piece = this.#pieces.at(0); piece !== undefined; piece = this.#pieces.at(0)) {
      while (this.#sent < piece.length) {
        const taken = this.#connection.write(piece, this.#sent, piece.length - this.#sent);
        if (taken <= 0) return;
        this.#sent += taken;
      }
      this.#pieces = this.#pieces.slice(1);
      this.#sent = 0;
    }
    this.#timer?.cancel();
    if (this.#mode === "reset") {
      this.#timer = this.#services.acknowledgements.wait(this.#connection, this.#timeoutMs, () =>
        this.#reset(),
      );
      return;
    }
    this.#connection.shutdown();
    if (this.#over) return;
    if (this.#peerEnded) this.#close();
    else this.#timer = this.#services.clock.after(lingerMs, () => this.#close());
  }

  #close(): void {
    if (this.#over) return;
    this.#timer?.cancel();
    this.#over = true;
    this.#connection.close();
  }

  #reset(): void {
    if (this.#over) return;
    this.#over = true;
    this.#connection.reset();
  }
}
