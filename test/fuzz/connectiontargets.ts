// Connections of HTTP and of the protocol, without a socket: whatever bytes a client sends and however they are cut, nothing is thrown, no answer is `internal`,
// the answer and what is relayed are the same, and nothing is left behind. The time is bounded, and so is what is answered.

import { Api } from "../../src/http/api.ts";
import { Exchange } from "../../src/http/exchange.ts";
import { opcodes } from "../../src/http/frames.ts";
import { Session } from "../../src/session/session.ts";
import { serverFrames } from "../http/clientframes.ts";
import { HttpTestServer, proxy } from "../http/requesting.ts";
import { pieces, singly } from "../protocol/dice.ts";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { FakePeer } from "../session/peer.ts";
import { threadMs } from "./clock.ts";
import { pick, type Roll } from "./damage.ts";
import { drawHandshake } from "./handshakerequests.ts";
import { drawRequest } from "./requests.ts";
import { inLine, type Target } from "./target.ts";

const login = { user: "fier", password: "123" };
const streamBytes = sniffedBytes + 1000;
/** Of processor time, for one connection: most take a tenth of one. Milliseconds. */
const maxMs = 100;
/** A page is the largest answer. */
const maxAnswerBytes = 4 * 1024 * 1024;

interface Exchanged {
  /** What came back, without what depends on the time, or is random. */
  readonly answer: string;
  /** What the channel's watchers got. */
  readonly relayed: string;
  readonly fault: string | undefined;
}

/** A login, a form and a token are looked at in a few turns. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => void setImmediate(resolve));
}

/** Where a connection comes from, and how its server is set. */
interface From {
  readonly isHttp: boolean;
  readonly address: string;
  readonly secure: boolean;
  readonly settings: { readonly authenticateWatchers?: boolean; readonly publicUrl?: string };
}

const settings: readonly From["settings"][] = [
  {},
  { authenticateWatchers: true },
  { publicUrl: "https://relay.example" },
];

/** A connection to a server of its own, on which `parts` are sent; `turns`: the server has turns in between. */
async function exchange(
  parts: readonly Uint8Array[],
  from: From,
  turns: (index: number) => boolean,
): Promise<Exchanged> {
  const server = new HttpTestServer(from.settings);
  const { rig } = server;
  const api = new Api({
    relay: rig.relay,
    access: server.services.access,
    clock: rig.clock,
    listening: server.services.listening,
    log: server.services.log,
    metrics: async () => [],
    options: { listChannels: true, authenticateWatchers: false, publicUrl: from.settings.publicUrl },
  });
  const sender = rig.broadcast();
  sender.send(opaque(streamBytes));
  const watcher = rig.watch();
  const thrown: unknown[] = [];
  const guarded = async (act: () => void | Promise<void>) => {
    try {
      await act();
    } catch (error) {
      thrown.push(error);
    }
  };
  const http = { ...server.http, api };
  const peer = new FakePeer(from.secure, from.address, (connection) =>
    from.isHttp ? new Exchange(connection, http) : new Session(connection, server.services),
  );
  let spentMs = 0;
  for (const [index, part] of parts.entries()) {
    const sinceMs = threadMs();
    await guarded(() => peer.send(part));
    spentMs += threadMs() - sinceMs;
    if (turns(index)) await settled();
  }
  await settled();
  // What waits for its turn has it before the end: no socket tells of that while it is resumed.
  for (let turn = 0; turn < 5 && peer.paused; turn++) {
    await guarded(() => rig.clock.advance(0));
    await settled();
  }
  await guarded(() => peer.fin());
  await settled();
  // All that waits for time.
  for (let i = 0; i < 4; i++) {
    await guarded(() => rig.clock.advance(3000));
    await settled();
  }
  const bytes = peer.take();
  const answer = Buffer.from(bytes).toString("latin1");
  await guarded(() => {
    if (!/close|reset/.test(peer.ends.join())) peer.die();
    if (sender.dismissal === undefined) sender.finish();
  });
  for (let i = 0; i < 3; i++) {
    await guarded(() => rig.clock.advance(60_000));
    await settled();
  }
  const left = { channels: rig.channels, timers: rig.clock.pending, waiting: server.waiting.taken };
  const bug = [...server.lines].find((line) => /error: |a bug|\bat .*:\d+:\d+/.test(line));
  let fault: string | undefined;
  if (thrown.length > 0) fault = `throws ${inLine(thrown[0])}`;
  else if (rig.failures.length > 0) fault = `fails: ${inLine(rig.failures[0])}`;
  else if (bug !== undefined) fault = `logs ${bug.trim()}`;
  else if (/^HTTP\/1\.\d 500 /m.test(answer)) fault = "is answered with 500";
  else if (left.channels + left.timers + left.waiting > 0) fault = `leaves ${JSON.stringify(left)} behind`;
  else if (bytes.length > maxAnswerBytes) fault = `is answered with ${bytes.length} bytes`;
  else if (server.clients.length > 0) fault = "leaves a client counted";
  else if (spentMs > maxMs) fault = `takes ${spentMs.toFixed(0)} ms`;
  return {
    answer: `${steady(answer)} ${peer.ends.join()}`,
    relayed: new Bun.CryptoHasher("sha1").update(watcher.received).digest("hex"),
    fault,
  };
}

function steady(answer: string): string {
  const head = /^HTTP\/1\.1 101 .*?\r\n\r\n/s.exec(answer)?.[0];
  if (head !== undefined) {
    // Of pings that come at once the last is answered, and none once the connection is closing. A status has what has come by then.
    const { frames, rest } = serverFrames(Buffer.from(answer.slice(head.length), "latin1"));
    const stream = frames.filter(({ opcode }) => opcode === opcodes.binary).map(({ payload }) => payload);
    const said = frames
      .filter(({ opcode }) => opcode !== opcodes.pong && opcode !== opcodes.binary)
      .map(({ opcode, payload }) => `${opcode} ${Buffer.from(payload).toString()}`)
      .filter((frame) => !frame.includes('{"type":"status"'));
    return `${said.join("\n")} ${rest.length} ${Bun.hash(Buffer.concat(stream))}`;
  }
  return answer
    .replaceAll(/^Date: .*\r\n/gm, "")
    .replace("HTTP/1.1 100 Continue\r\n\r\n", "")
    .replace(/^HTTP\/1\.0 200 OK\r\n\r\n/, "")
    .replaceAll(/(?<![\w-])[\w-]{32}(?![\w-])/g, "TOKEN");
}

const begin = (text: string) => JSON.stringify(text.slice(0, 200));

/** `settings` of the server, and where the connection comes from, are chosen by `roll`. */
async function fault(bytes: Uint8Array, roll: Roll, isHttp: boolean): Promise<string | undefined> {
  const from: From = {
    isHttp,
    address: [proxy, "192.0.2.1", "127.0.0.1"][roll(3)],
    secure: roll(2) === 0,
    settings: pick(roll, settings),
  };
  const whole = await exchange([bytes], from, () => false);
  if (whole.fault !== undefined) return whole.fault;
  const ways: [Uint8Array[], (index: number) => boolean][] = [
    [pieces(bytes, roll), () => roll(3) === 0],
    [bytes.length < 3000 ? singly(bytes) : pieces(bytes, roll), () => roll(200) === 0],
  ];
  for (const [parts, turns] of ways) {
    const cut = await exchange(parts, from, turns);
    if (cut.fault !== undefined) return `in pieces ${cut.fault}`;
    // What counts there is how much comes within a second, in pieces too.
    if (cut.answer.includes("within a second") || whole.answer.includes("within a second")) continue;
    if (cut.answer !== whole.answer)
      return `in pieces is answered ${begin(cut.answer)}, whole ${begin(whole.answer)}`;
    if (cut.relayed !== whole.relayed) return "in pieces other bytes are relayed";
  }
  return undefined;
}

export const http: Target = {
  name: "http",
  ending: "http",
  draw: (roll) => drawRequest(roll, login),
  fault: (bytes, roll) => fault(bytes, roll, true),
};

export const protocol: Target = {
  name: "protocol",
  ending: "bin",
  draw: (roll) => drawHandshake(roll, login, ["fier", "default"]),
  fault: (bytes, roll) => fault(bytes, roll, false),
};
