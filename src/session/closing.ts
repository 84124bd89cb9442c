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

export class ClosingStage implements ConnectionStage {
  readonly #connection: Connection;
  readonly #services: Pick<Services, "clock" | "acknowledgements">;
  readonly #finalBytes: Uint8Array;
  readonly #mode: CloseMode;
  readonly #timeoutMs: number;
  #sent = 0;
  #timer: Timer | undefined;
  #peerEnded = false;
  #over = false;

  /** `timeoutMs` bounds how long the peer may take to accept the final bytes. */
  constructor(
    connection: Connection,
    services: Pick<Services, "clock" | "acknowledgements">,
    finalBytes: Uint8Array,
    mode: CloseMode,
    timeoutMs: number,
  ) {
    this.#connection = connection;
    this.#services = services;
    this.#finalBytes = finalBytes;
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
    if (this.#sent < this.#finalBytes.length) this.#write();
  }

  ended(): void {
    this.#peerEnded = true;
    if (this.#mode === "fin" && this.#sent === this.#finalBytes.length) this.#close();
  }

  closed(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  stop(): void {}

  #write(): void {
    while (this.#sent < this.#finalBytes.length) {
      const taken = this.#connection.write(
        this.#finalBytes,
        this.#sent,
        this.#finalBytes.length - this.#sent,
      );
      if (taken <= 0) return;
      this.#sent += taken;
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
