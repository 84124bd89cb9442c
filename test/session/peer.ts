// Both ends of a connection, without a socket between them: the session's side as its server would have it, and the
// client's, which a test speaks for.

import { Access, type AccessOptions } from "../../src/access/access.ts";
import { WaitingPlaces } from "../../src/access/waitingplaces.ts";
import type { Authenticator, AuthRequest, Grant } from "../../src/auth/authenticator.ts";
import { Throttle } from "../../src/auth/throttle.ts";
import { Tokens } from "../../src/auth/tokens.ts";
import { FstreamError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { encodeRequest, type Request } from "../../src/protocol/request.ts";
import { Turns } from "../../src/relay/turns.ts";
import { Acknowledgements } from "../../src/session/acknowledgements.ts";
import type { Connection, ConnectionStage } from "../../src/session/connection.ts";
import { EndRecords } from "../../src/session/endrecords.ts";
import { Polling, type Readiness } from "../../src/session/polling.ts";
import type { Services, SessionOptions } from "../../src/session/services.ts";
import { Session } from "../../src/session/session.ts";
import { Rig } from "../relay/rig.ts";
import { holdsNoSecret, secretsOfRequest } from "../secrets.ts";
import { defaults } from "../settings/defaults.ts";

export class FakePeer implements Connection {
  readonly address: string;
  readonly secure: boolean;
  readonly descriptor: number | undefined;
  /** Bytes that the client's kernel still takes. */
  room = Number.POSITIVE_INFINITY;
  /** What it has not acknowledged; undefined: the system does not tell. */
  unread: number | undefined = 0;
  /** How the server ended it, in order: "fin", "close", "reset". */
  readonly ends: string[] = [];
  paused = false;
  placeKept = false;
  /** What has come and can be had without an event. */
  flood: Uint8Array = new Uint8Array(0);
  asked = 0;
  #open = true;
  #isOver = false;
  #received: Uint8Array[] = [];
  /** What came while it was paused. */
  #waiting: (() => void)[] = [];
  readonly session: ConnectionStage;

  constructor(
    secure: boolean,
    address: string,
    handle: (connection: Connection) => ConnectionStage,
    descriptor?: number,
  ) {
    this.descriptor = descriptor;
    this.secure = secure;
    this.address = address;
    this.session = handle(this);
  }

  // The server's side.

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.ends.length > 0) throw new Error(`written to after ${this.ends.join()}`);
    if (!this.#open) return -1;
    const taken = Math.min(this.room, length);
    this.room -= taken;
    this.#received.push(bytes.slice(offset, offset + taken));
    return taken;
  }

  available(): number {
    return this.flood.length;
  }

  receive(into: Uint8Array, offset: number, length: number): number {
    const bytes = this.flood.subarray(0, length);
    this.flood = this.flood.subarray(bytes.length);
    into.set(bytes, offset);
    return bytes.length;
  }

  keepPlace(): void {
    this.placeKept = true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    for (const tell of this.#waiting.splice(0)) this.#tell(tell);
  }

  shutdown(): void {
    if (this.#open) this.ends.push("fin");
  }

  close(): void {
    this.#over("close");
  }

  reset(): void {
    this.#over("reset");
  }

  unacknowledged(): number | undefined {
    this.asked++;
    return this.unread;
  }

  #over(how: string): void {
    if (!this.#open) throw new Error(`${how} of a connection that is over`);
    this.ends.push(how);
    this.#open = false;
    this.session.closed(undefined);
  }

  // The client's side.

  /** Sends bytes, in one segment. */
  send(...parts: (Uint8Array | string)[]): void {
    const bytes = new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array))));
    this.#tell(() => this.session.data(bytes));
  }

  request(intent: Request["intent"], fields: Record<string, string>, ...media: Uint8Array[]): void {
    secretsOfRequest([intent, ...Object.entries(fields).map(([key, value]) => `${key}=${value}`)].join());
    this.send(encodeRequest(intent, Object.entries(fields)), ...media);
  }

  fin(): void {
    this.#isOver = true;
    this.#tell(() => this.session.ended());
  }

  /** Its kernel resets the connection, which Bun reports with that code. */
  die(code: "ECONNRESET" | "EPIPE" = "ECONNRESET"): void {
    this.#isOver = true;
    this.#tell(() => {
      this.#open = false;
      this.session.closed(Object.assign(new Error(`${code}: its words, read`), { code }));
    });
  }

  /** It reads, so that the server's kernel has room again. */
  read(bytes: number): void {
    this.room += bytes;
    if (this.#open) this.session.drained();
  }

  /** Whether its end, which a paused socket does not tell, waits. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** A paused socket tells nothing, neither of bytes nor of ends. */
  #tell(tell: () => void): void {
    if (this.paused) this.#waiting.push(tell);
    else if (this.#open) tell();
  }

  /** What came since the last look, as it is. */
  take(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#received.splice(0)));
  }

  /** What came since the last look, with a frame's length and null byte as `|`. */
  words(): string {
    const bytes = Buffer.from(this.take());
    let text = "";
    for (let at = 0; at < bytes.length; ) {
      const length = bytes.readUInt32BE(at);
      text += `|${bytes.toString("utf8", at + 5, at + 5 + length)}`;
      at += 5 + length;
    }
    return text;
  }
}

/** The `ok` of a watcher that asked for replies is so long: it has an id. */
export const okBytes = 5 + "ok,id=".length + 32;

/** Which of them have something in their `flood`, or have ended. */
class FakeReadiness implements Readiness {
  readonly peers = new Map<number, FakePeer>();
  readonly polled = new Set<number>();
  /** Of the event loop, as if there were one. */
  isLoopKnown = false;
  isLoopWatched = false;
  hasEvents = false;

  get next(): number {
    return 100 + this.peers.size;
  }

  add(descriptor: number): boolean {
    this.polled.add(descriptor);
    return true;
  }

  remove(descriptor: number): void {
    this.polled.delete(descriptor);
  }

  watchEvents(): boolean {
    this.isLoopWatched = this.isLoopKnown;
    return this.isLoopKnown;
  }

  ignoreEvents(): void {
    this.isLoopWatched = false;
  }

  wait(_ms: number, readable: (descriptor: number) => void, over: (descriptor: number) => void): boolean {
    for (const descriptor of this.polled) {
      const peer = this.peers.get(descriptor);
      if (peer?.isOver === true) over(descriptor);
      else if (peer !== undefined && peer.flood.length > 0) readable(descriptor);
    }
    return this.isLoopWatched && this.hasEvents;
  }
}

export class TestServer {
  readonly readiness = new FakeReadiness();
  readonly rig: Rig;
  readonly tokens: Tokens;
  readonly waiting: WaitingPlaces;
  readonly lines: string[] = [];
  readonly services: Services;
  /** What an limits would throw. */
  full: FstreamError | undefined;
  /** Logins are looked up until this is resolved. */
  lookup: Promise<void> = Promise.resolve();
  lookups = 0;
  /** What was asked last. */
  lastLogin: AuthRequest | undefined;
  /** What a right login allows, besides. */
  granted: Partial<Grant> = {};
  /** Whether nobody is let in without a password. */
  needsPassword = true;
  #ids = 0;

  constructor(
    changes: Partial<SessionOptions & AccessOptions> & { maxWaiting?: number } = {},
    relayChanges: ConstructorParameters<typeof Rig>[0] = {},
    channels?: readonly string[],
  ) {
    const rig = new Rig(relayChanges);
    this.rig = rig;
    this.waiting = new WaitingPlaces(
      { maxWaiting: changes.maxWaiting ?? defaults.server.maxWaiting },
      (address) => address === "127.0.0.1",
    );
    this.tokens = new Tokens({ tokenLifetimeMs: 120_000 }, () => rig.clock.nowMs());
    const needsPassword = () => this.needsPassword;
    const authenticator: Authenticator = {
      get needsPassword() {
        return needsPassword();
      },
      authenticate: async (request): Promise<Grant> => {
        this.lookups++;
        this.lastLogin = request;
        await this.lookup;
        if (request.password !== "123") throw new FstreamError("unauthorized", "wrong user or password");
        return { user: request.user, channels, ...this.granted };
      },
    };
    const access = new Access(
      {
        relay: rig.relay,
        authenticator,
        tokens: this.tokens,
        limits: {
          admit: () => {
            if (this.full !== undefined) throw this.full;
          },
        },
        guesses: new Throttle({
          nowMs: () => rig.clock.nowMs(),
          sleep: (ms) => new Promise((resolve) => void rig.clock.after(ms, resolve)),
        }),
        places: this.waiting,
      },
      {
        ...defaults.fstream,
        ...defaults.auth,
        backlogBytes: 65_536,
        ...changes,
      },
    );
    const polling = new Polling(this.readiness, (error) => {
      throw error;
    });
    rig.relay.sources = polling;
    this.services = {
      access,
      acknowledgements: new Acknowledgements(rig.clock),
      ends: new EndRecords(
        { max: 8, maxPerNetwork: 4, networkOf: (address) => address, random: () => this.#bytes() },
        rig.clock,
      ),
      clock: rig.clock,
      listening: { https: { host: "::", port: 7443 } },
      log: createLog({
        level: "debug",
        journal: false,
        write: (line) => {
          this.lines.push(line);
          holdsNoSecret("the log", line);
        },
        nowMs: () => rig.clock.nowMs(),
      }),
      options: { ...defaults.fstream, ...defaults.server, ...defaults.auth, ...changes },
      turns: new Turns(rig.clock, (one) => one.turn()),
      polling,
    };
  }

  /** What is answered to the question how the stream of the watcher with this id ended. */
  askEnd(id: number): string {
    const asking = this.connect();
    asking.request("end", { id: idOf(id), reply: "1" });
    const words = asking.words();
    if (asking.ends[0] !== "fin") throw new Error(`an answer that ends with ${asking.ends.join()}`);
    return words;
  }

  /** The ids of watchers are 00...01, 00...02, and so on. */
  #bytes(): Uint8Array {
    const bytes = new Uint8Array(16);
    bytes[15] = ++this.#ids;
    return bytes;
  }

  connect(secure = false, address = "192.0.2.1"): FakePeer {
    const descriptor = secure ? undefined : this.readiness.next;
    const peer = new FakePeer(
      secure,
      address,
      (connection) => new Session(connection, this.services),
      descriptor,
    );
    if (descriptor !== undefined) this.readiness.peers.set(descriptor, peer);
    return peer;
  }

  /** A broadcaster whose login is done. */
  async broadcast(fields: Record<string, string> = {}, ...media: Uint8Array[]): Promise<FakePeer> {
    const peer = this.connect();
    peer.request("broadcast", { user: "fier", user_password: "123", ...fields }, ...media);
    await settled();
    return peer;
  }

  watch(fields: Record<string, string> = {}): FakePeer {
    const peer = this.connect();
    peer.request("watch", { user: "fier", ...fields });
    return peer;
  }
}

/** The id of the watcher that is the so-manieth to ask for replies. */
export function idOf(number: number): string {
  return number.toString(16).padStart(32, "0");
}

/** Everything that waits for nothing but promises is done. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
