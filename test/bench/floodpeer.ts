// Keeps HTTPS connections open that ask for nothing, until its stdin ends: HOST PORT SILENT SLOW on the command line. Half of each
// kind do not get through with TLS: silent ones send nothing at all, slow ones a byte of their first message now and then;
// the other half do, and send nothing, or a byte of a request's head now and then. One that the server has ended comes back ten seconds
// later. Says once a second how many are open, and how many were ended so far.

import type { Socket, SocketHandler } from "bun";

const [host, port, silent, slow] = process.argv.slice(2);
/** Connections begun in one turn, and how far turns are apart: 1000 a second. Milliseconds. */
const turn = 20;
const turnMs = 20;
const returnMs = 10_000;
const byteEveryMs = 2000;
/** The head of a TLS record of 512 bytes, and what the slow ones send of it. */
const hello = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...new Uint8Array(500));
const head = "GET /healthz HTTP/1.1\r\nHost: relay.example\r\nX-Padding: ";

type Kind = "silent" | "silent over TLS" | "slow" | "slow over TLS";
const open = new Set<Socket<Kind>>();
let ended = 0;
const due: Kind[] = [];

const handler: SocketHandler<Kind> = {
  open(socket) {
    open.add(socket);
    if (socket.data === "slow") socket.write(hello.subarray(0, 5));
    if (socket.data === "slow over TLS") socket.write(head);
  },
  data() {},
  error() {},
  handshake() {},
  close: (socket) => again(socket.data, socket),
};

function again(kind: Kind, socket?: Socket<Kind>): void {
  if (socket !== undefined) open.delete(socket);
  ended++;
  setTimeout(() => due.push(kind), returnMs);
}

function begin(kind: Kind): void {
  const tls = kind.endsWith("TLS") ? { tls: { rejectUnauthorized: false } } : {};
  Bun.connect<Kind>({ hostname: host, port: Number(port), data: kind, ...tls, socket: handler }).catch(() =>
    again(kind),
  );
}

for (let i = 0; i < Number(silent); i++) due.push(i % 2 === 0 ? "silent" : "silent over TLS");
for (let i = 0; i < Number(slow); i++) due.push(i % 2 === 0 ? "slow" : "slow over TLS");
due.sort(() => Math.random() - 0.5);
setInterval(() => due.splice(0, turn).forEach(begin), turnMs);
setInterval(() => {
  for (const socket of open) {
    if (Math.random() > 0.1) continue;
    if (socket.data === "slow") socket.write(hello.subarray(10, 11));
    if (socket.data === "slow over TLS") socket.write("x");
  }
}, byteEveryMs / 10);
setInterval(() => console.log(JSON.stringify({ open: open.size, ended })), 1000);

await Bun.stdin.text();
process.exit(0);
