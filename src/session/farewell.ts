// The end of a connection: last words are written, and then it is closed such that the peer can tell how.
//
//   "fin":   last words, FIN; what still comes is read and dropped for at most 2 s, since closing with unread
//            bytes would be a reset that can take the last words with it; then it is closed
//   "reset": last words; once the peer's kernel has acknowledged them, a reset. That tells a watcher that asked for
//            replies that its stream was cut short (protocol/README.md, "How a stream ends")

import type { Timer } from "../relay/clock.ts";
import type { Connection, Services, Stage } from "./connection.ts";

/** How long a peer's bytes are read and dropped after our FIN, milliseconds. */
const lingerMs = 2000;

export type Way = "fin" | "reset";

export class Farewell implements Stage {
  readonly #connection: Connection;
  readonly #services: Pick<Services, "clock" | "acknowledgements">;
  readonly #words: Uint8Array;
  readonly #way: Way;
  readonly #patienceMs: number;
  #sent = 0;
  #timer: Timer | undefined;
  #peerEnded = false;
  #over = false;

  /** `patienceMs` bounds how long the peer may take to take the last bytes. */
  constructor(
    connection: Connection,
    services: Pick<Services, "clock" | "acknowledgements">,
    words: Uint8Array,
    way: Way,
    patienceMs: number,
  ) {
    this.#connection = connection;
    this.#services = services;
    this.#words = words;
    this.#way = way;
    this.#patienceMs = patienceMs;
  }

  /** To be called once, as soon as this is the connection's stage. */
  begin(): void {
    this.#timer = this.#services.clock.after(this.#patienceMs, () => this.#reset());
    this.#write();
  }

  data(): void {}

  drained(): void {
    if (this.#sent < this.#words.length) this.#write();
  }

  ended(): void {
    this.#peerEnded = true;
    if (this.#way === "fin" && this.#sent === this.#words.length) this.#close();
  }

  closed(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  #write(): void {
    while (this.#sent < this.#words.length) {
      const taken = this.#connection.write(this.#words, this.#sent, this.#words.length - this.#sent);
      if (taken <= 0) return;
      this.#sent += taken;
    }
    this.#timer?.cancel();
    if (this.#way === "reset") {
      this.#timer = this.#services.acknowledgements.wait(this.#connection, this.#patienceMs, () =>
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
