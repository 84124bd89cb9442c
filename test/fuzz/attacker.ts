// One process of attackers, for serverattack.ts, which gives it a Task as JSON on its command line and ends it by ending its stdin. Prints
// once a second, as JSON, how far it is.
//
//   flood:  as many connections as are to be made, some hundred at a time: a handshake or a request on each, valid, damaged or cut off,
//           sent at once or in pieces; some read nothing, some wait, some are reset in the middle
//   stall:  as many connections that send a byte of their handshake now and then, each begun again when the server ends it
//   guess:  so many logins a second with a wrong password

import type { Socket, SocketHandler } from "bun";
import { encodeRequest } from "../../src/protocol/request.ts";
import { dice, pieces } from "../protocol/dice.ts";
import { pick } from "./damage.ts";
import { drawHandshake } from "./handshakerequests.ts";
import { drawRequest, type Login } from "./requests.ts";

export interface Ports {
  readonly tcp: number;
  readonly tls: number;
  readonly http: number;
  readonly https: number;
}

export interface Task {
  readonly kind: "flood" | "stall" | "guess";
  readonly seed: number;
  /** Of this machine, each a network of its own: who connects to one comes from it. */
  readonly addresses: readonly string[];
  readonly ports: Ports;
  /** Who may broadcast. */
  readonly logins: readonly Login[];
  /** Flood: handshakes and requests. */
  readonly handshakes: number;
  readonly requests: number;
  /** Stall: connections; guess: logins a second. */
  readonly count: number;
  /** Guess: whose password is guessed. */
  readonly users: readonly string[];
}

export interface Progress {
  handshakes: number;
  requests: number;
  /** Connections that are open, and those that the server would not have. */
  open: number;
  refused: number;
  answers: number;
}

const task = JSON.parse(process.argv[2]) as Task;
const roll = dice(task.seed);
const progress: Progress = { handshakes: 0, requests: 0, open: 0, refused: 0, answers: 0 };
/** Of a hundred connections so many are over TLS: each costs as much as some tens of plain ones. */
const tlsOfHundred = 3;
const atOnce = 250;
/** A connection that waits for the server does so for at most so long, milliseconds. */
const waitMs = 1000;

interface Attack {
  readonly port: keyof Ports;
  readonly bytes: Uint8Array;
}

function handshake(): Attack {
  const port = roll(100) < tlsOfHundred ? "tls" : "tcp";
  return { port, bytes: drawHandshake(roll, pick(roll, task.logins), ["live", "live"]) };
}

function request(): Attack {
  const port = roll(100) < tlsOfHundred ? "https" : "http";
  return { port, bytes: drawRequest(roll, pick(roll, task.logins)) };
}

/** What is done with a socket. */
interface Data {
  over: () => void;
  unsent: Uint8Array[];
  shaken: PromiseWithResolvers<void>;
}

const handler: SocketHandler<Data> = {
  data: () => void progress.answers++,
  drain: flush,
  close: (socket) => socket.data.over(),
  end: (socket) => void socket.end(),
  error() {},
  handshake: (socket) => socket.data.shaken.resolve(),
};

function flush(socket: Socket<Data>): void {
  const { unsent } = socket.data;
  while (unsent.length > 0) {
    const [first] = unsent;
    const taken = socket.write(first, 0, first.length);
    if (taken < first.length) {
      if (taken > 0) unsent[0] = first.subarray(taken);
      return;
    }
    unsent.shift();
  }
}

async function dial(port: number, secure: boolean, over: () => void): Promise<Socket<Data> | undefined> {
  progress.open++;
  const data: Data = {
    unsent: [],
    shaken: Promise.withResolvers<void>(),
    over: () => {
      progress.open--;
      data.over = () => {};
      over();
    },
  };
  const tls = secure ? { tls: { rejectUnauthorized: false } } : {};
  const hostname = pick(roll, task.addresses);
  try {
    const socket = await Bun.connect<Data>({
      hostname,
      port,
      data,
      allowHalfOpen: true,
      ...tls,
      socket: handler,
    });
    // Nothing can be written before TLS is there.
    if (secure) await Promise.race([data.shaken.promise, Bun.sleep(waitMs)]);
    return socket;
  } catch {
    progress.refused++;
    data.over();
    return undefined;
  }
}

function say(socket: Socket<Data>, bytes: Uint8Array): void {
  socket.data.unsent.push(bytes);
  flush(socket);
}

/** Makes one connection, and resolves once it is over. */
async function one({ port, bytes }: Attack): Promise<void> {
  const over = Promise.withResolvers<void>();
  // Now and then without TLS where TLS is spoken.
  const secure = (port === "tls" || port === "https") && roll(4) > 0;
  const socket = await dial(task.ports[port], secure, over.resolve);
  if (socket === undefined) return;
  const isCut = roll(5) === 0;
  const all = isCut ? bytes.subarray(0, roll(bytes.length + 1)) : bytes;
  if (roll(20) === 0) socket.pause();
  for (const piece of roll(4) === 0 ? pieces(new Uint8Array(all), roll) : [all]) {
    if (piece.length === 0) continue;
    say(socket, piece);
    if (roll(50) === 0) await Bun.sleep(roll(20));
  }
  switch (roll(8)) {
    case 0:
      socket.terminate();
      break;
    case 1:
    case 2:
    case 3:
      socket.shutdown();
      break;
    default:
      break;
  }
  // Some stay for as long as the server lets them.
  const stays = roll(2000) === 0 ? 60_000 : roll(50) === 0 ? waitMs : 20 + roll(40);
  const timer = setTimeout(() => socket.terminate(), stays);
  await over.promise;
  clearTimeout(timer);
}

async function flood(): Promise<void> {
  const lanes = Array.from({ length: atOnce }, async () => {
    for (;;) {
      const isRequest = progress.requests * task.handshakes < progress.handshakes * task.requests;
      if (progress.handshakes >= task.handshakes && progress.requests >= task.requests) return;
      if (isRequest) progress.requests++;
      else progress.handshakes++;
      await one(isRequest ? request() : handshake());
    }
  });
  await Promise.all(lanes);
}

/** How often each sends a byte, milliseconds. */
const byteEveryMs = 2000;

async function stall(): Promise<void> {
  const open = new Set<Socket<Data>>();
  const begin = async (): Promise<void> => {
    const socket = await dial(roll(2) === 0 ? task.ports.tcp : task.ports.http, false, () => {
      if (socket !== undefined) open.delete(socket);
      setTimeout(() => void begin(), 100 + roll(400));
    });
    if (socket !== undefined) open.add(socket);
  };
  for (let i = 0; i < task.count; i++) {
    void begin();
    if (i % 20 === 19) await Bun.sleep(10);
  }
  for (;;) {
    for (const socket of open) if (roll(10) === 0) socket.write("G");
    await Bun.sleep(byteEveryMs / 10);
  }
}

async function guess(): Promise<void> {
  const everyMs = 1000 / task.count;
  for (let nextMs = performance.now(); ; nextMs += everyMs) {
    const fields = { user: pick(roll, task.users), user_password: "wrong", channel: "guessed", reply: "1" };
    void dial(task.ports.tcp, false, () => {}).then((socket) => {
      if (socket !== undefined) say(socket, encodeRequest("broadcast", Object.entries(fields)));
    });
    progress.handshakes++;
    await Bun.sleep(Math.max(0, nextMs + everyMs - performance.now()));
  }
}

setInterval(() => console.log(JSON.stringify(progress)), 1000).unref();
void Bun.stdin.text().then(() => process.exit(0));
await { flood, stall, guess }[task.kind]();
console.log(JSON.stringify(progress));
process.exit(0);
