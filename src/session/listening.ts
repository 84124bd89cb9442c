// Where the server listens, for clients that came to the wrong port, and for the commands that pages show. It is filled as the
// server starts to listen: what is not there is not listened on.

/** The address of a listener: its host ("" for all addresses; IPv6 without brackets), and its port. */
export interface ListenPlace {
  readonly host: string;
  readonly port: number;
}

export interface Listening {
  tcp?: ListenPlace;
  tls?: ListenPlace;
  https?: ListenPlace;
  http?: ListenPlace;
}
