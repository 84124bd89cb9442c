// What a session needs of its socket, and what the socket's events go to. Sockets are the server's, so that sessions are tested
// without any.

export interface Connection {
  /** The peer's IP address; IPv4-mapped IPv6 as IPv4. */
  readonly address: string;
  /** Whether it is encrypted. */
  readonly secure: boolean;
  /** Its socket's, where `receive` can have its bytes; undefined elsewhere. */
  readonly descriptor: number | undefined;
  /** Takes what the kernel takes: 0 when it is full (then `drained` follows), negative when the peer is gone. */
  write(bytes: Uint8Array, offset: number, length: number): number;
  /** Bytes that have come and were not given to `data`; 0 too where `receive` can't have them. */
  available(): number;
  /**
   * Takes at most `length` of the `available` bytes, of which there are some, right into `into` from `offset` on, and gives
   * how many they were. To be called while paused, or `data` gets its bytes out of order.
   */
  receive(into: Uint8Array, offset: number, length: number): number;
  /** The request has come: before that its place may be given to another connection, which resets this one. */
  keepPlace(): void;
  /** Stops and goes on reading. While paused the peer's end is not reported either. */
  pause(): void;
  resume(): void;
  /** A FIN behind what was written. */
  shutdown(): void;
  /** Closes: what was written is still delivered, if all that came was read. */
  close(): void;
  /** A reset: what the peer's kernel has not got is lost. */
  reset(): void;
  /** Bytes written that the peer's kernel has not acknowledged; undefined where the system does not tell. */
  unacknowledged(): number | undefined;
}

/**
 * What a connection is at the moment: a handshake, a login, a watcher, a broadcaster, or closing. What a watcher can't do,
 * its stage doesn't have.
 */
export interface ConnectionStage {
  /** Bytes came. The buffer is used for others afterwards. */
  data(bytes: Uint8Array): void;
  /** The socket has room again. */
  drained(): void;
  /** The peer sent its FIN. */
  ended(): void;
  /** The connection is gone; `error`: a reset or a timeout. */
  closed(error: Error | undefined): void;
  /** The server stops: ends what has not begun. What the relay has is ended by the relay. */
  stop(): void;
}
