// What a hostile client of HTTP sends on one connection: a request by structure (its line, header fields, and a body, chunks or frames
// of a WebSocket), each part mostly right and now and then not, and then with changed bytes.

import { type ClientFrame, clientFrame, closePayload } from "../http/clientframes.ts";
import { damaged, pick, type Roll } from "./damage.ts";

/** A login that is right, of the server that is sent to. */
export interface Login {
  readonly user: string;
  readonly password: string;
}

const names = [
  "default",
  "",
  "none",
  "a%2Fb",
  "%C3%B1",
  "%",
  "%zz",
  "%FF",
  "%00",
  "%0A",
  "..",
  ".",
  "con",
  "a".repeat(300),
  "é",
];
const parameters = [
  "start=join",
  "start=live",
  "start=next",
  "start=1h",
  "start=99999999999999h",
  "start=-1s",
  "wait=0",
  "wait=3",
  "wait=1e9",
  "wait=99999999999999999999999",
  "lag=skip",
  "lag=close",
  "lag=x",
  "channel_password=456",
  "channel_password=%FF",
  "bufsize=100",
  "bufsize=999999999999999999999",
  "bufsize=x",
  "watcher=ann",
  "watcher_password=abc",
  "token=x",
  "",
  "=",
  "&",
  "a".repeat(2000),
  "x=1&".repeat(150),
];
const base64 = (text: string) => Buffer.from(text).toString("base64");

function target(roll: Roll, user: string, path: string): string {
  const channel = roll(3) === 0 ? pick(roll, names) : "default";
  const owner = roll(6) === 0 ? pick(roll, names) : user;
  const query = Array.from({ length: roll(4) === 0 ? roll(5) : 0 }, () => pick(roll, parameters)).join("&");
  const whole = path.replace("USER", owner).replace("CHANNEL", channel);
  const host = roll(20) === 0 ? pick(roll, ["http://relay.example", "https://", "HTTP://x:1"]) : "";
  return `${host}${whole}${query === "" ? "" : `?${query}`}`;
}

function authorization(roll: Roll, { user, password }: Login): string {
  const right = `Basic ${base64(`${user}:${password}`)}`;
  if (roll(3) > 0) return right;
  return pick(roll, [
    `Basic ${base64(`${user}:wrong`)}`,
    `basic   ${base64(`${user}:`)}`,
    `Basic ${base64("nobody")}`,
    `Basic ${base64("\xff\xfe:x")}`,
    "Basic",
    "Basic ====",
    `Basic ${"A".repeat(5000)}`,
    "Bearer x",
    "Bearer",
    `Bearer ${"x".repeat(4000)}`,
    "Bearer 0123456789abcdef",
    "Digest username=x",
    "",
    `${right}, ${right}`,
  ]);
}

/** Header fields, each with what is sent in it: any request may have any. */
const fields: Readonly<Record<string, readonly string[]>> = {
  Host: ["relay.example", "localhost:1", "[::1]", "127.0.0.1", "", "a b", "x".repeat(500)],
  "X-Forwarded-For": [
    "192.0.2.7",
    "192.0.2.7, 198.51.100.1",
    "[2001:db8::1]:80",
    "2001:db8::1%eth0",
    "unknown",
    ",,,",
    "999.1.1.1",
    Array.from({ length: 60 }, () => "198.51.100.1").join(", "),
    "1".repeat(3000),
  ],
  "X-Forwarded-Proto": ["https", "http", "HTTPS", ""],
  "X-Forwarded-Host": ["relay.example", ",".repeat(60), "a, b"],
  Forwarded: ["for=192.0.2.60;proto=http"],
  Origin: ["null", "https://relay.example", "http://evil.example", "x", "https://[", ""],
  "Sec-Fetch-Site": ["same-origin", "cross-site", "none"],
  "Content-Length": ["0", "5", "500", "-1", "1e3", "0x10", "5, 5", "99999999999999999", "9000", " "],
  "Transfer-Encoding": ["chunked", "gzip", "chunked, chunked", "CHUNKED", "identity", ""],
  "Content-Range": [
    "bytes 0-4/*",
    "bytes 0-4/5",
    "bytes 5-9/10",
    "bytes 4-0/*",
    "bytes 0-999999999999999/*",
    "bytes */5",
    "bytes 0-4",
    "x",
  ],
  "Content-Type": [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    'multipart/form-data; boundary="',
    "application/json",
    "text/plain; charset=utf-7",
  ],
  Expect: ["100-continue", "100-Continue", "200-ok", ""],
  Range: ["bytes=0-1", "bytes=0-", "bytes=5-1", "bytes=0-1,3-4", "x=0-1", "bytes=0-99999999999999"],
  Accept: ["application/json", "text/html", "*/*", "a".repeat(1000)],
  "Accept-Encoding": ["gzip", "br;q=0", "*", "gzip;q=x"],
  "If-None-Match": ['"x"', "*", 'W/"', "x".repeat(1000)],
  Upgrade: ["websocket", "h2c", "websocket, x", ","],
  Connection: ["Upgrade", "close", "keep-alive, Upgrade", ",".repeat(200)],
  "Sec-WebSocket-Version": ["13", "8", "13, 8"],
  "Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ==", "x", "dGhlIHNhbXBsZSBub25jZQ="],
  "X-\xe9": ["\xff", "é"],
  "": ["x"],
};
const fieldNames = Object.keys(fields);

function head(roll: Roll, method: string, at: string, own: readonly string[]): string {
  const lines = [...own];
  for (let more = roll(3) === 0 ? roll(5) : 0; more > 0; more--) {
    const name = pick(roll, fieldNames);
    const value = pick(roll, fields[name]);
    lines.push(`${roll(5) === 0 ? name.toLowerCase() : name}:${pick(roll, [" ", "", "\t "])}${value}`);
  }
  if (roll(100) === 0) lines.push(...Array.from({ length: 120 }, (_, i) => `X-${i}: y`));
  if (roll(12) > 0) lines.unshift("Host: relay.example");
  const version =
    roll(12) === 0 ? pick(roll, ["HTTP/1.0", "HTTP/2.0", "HTTP/1.9", "HTTP/0.9", "http/1.1"]) : "HTTP/1.1";
  return `${method} ${at} ${version}\r\n${lines.join("\r\n")}\r\n\r\n`;
}

/** A body in chunks, with extensions, trailers and sizes that lie. */
function chunked(roll: Roll): Buffer {
  const parts: Buffer[] = [];
  for (let chunks = roll(5); chunks > 0; chunks--) {
    const data = Buffer.alloc(pick(roll, [1, 5, 16, 200, 3000]), 97 + roll(26));
    const size = data.length.toString(16);
    const said =
      roll(12) === 0 ? pick(roll, ["", "-1", "ffffffffffffffffff", "g", `0x${size}`, ` ${size}`]) : size;
    const extension = roll(5) === 0 ? pick(roll, [";a=b", ';a="\\""', "; ", ";", ";a".repeat(500)]) : "";
    parts.push(Buffer.from(`${said}${extension}\r\n`), data, Buffer.from(roll(20) === 0 ? "\n" : "\r\n"));
  }
  const trailer =
    roll(5) === 0 ? pick(roll, ["X: y\r\n", ": \r\n", "x\r\n", `${"a".repeat(9000)}: b\r\n`]) : "";
  if (roll(6) > 0) parts.push(Buffer.from(`0\r\n${trailer}\r\n`));
  return Buffer.concat(parts);
}

const messages = [
  "{}",
  '{"wait":3}',
  '{"start":"10s","lag":"close"}',
  '{"channel_password":"456"}',
  '{"user_password":"PASSWORD"}',
  '{"user_password":"PASSWORD","bufsize":100}',
  '{"user_password":"wrong"}',
  '{"token":"x","bufsize":"y"}',
  '{"token":{}}',
  '{"type":"end"}',
  '{"__proto__":{"user_password":"PASSWORD"}}',
  "[]",
  "null",
  "{",
  "[".repeat(3000),
  '"\\ud800"',
];

/** Frames of a WebSocket's client. */
function frames(roll: Roll, { password }: Login): Buffer {
  const message = () => pick(roll, messages).replace("PASSWORD", password);
  const first: ClientFrame[] = roll(6) === 0 ? [] : [{ opcode: 1, payload: message() }];
  const others = Array.from({ length: roll(6) }, (): ClientFrame => {
    const payload = Buffer.alloc(pick(roll, [0, 1, 5, 125, 126, 300, 5000]), 97);
    return pick<ClientFrame>(roll, [
      { opcode: 2, payload },
      { opcode: 2, payload },
      { opcode: 2, payload, fin: false },
      { opcode: 0, payload },
      { opcode: 1, payload: message() },
      { opcode: 9, payload: payload.subarray(0, 125) },
      { opcode: 10, payload: payload.subarray(0, 125) },
      { opcode: 8, payload: closePayload(pick(roll, [1000, 1001, 1005, 4000, 70, 65535])) },
      { opcode: roll(16), payload },
      { opcode: 2, payload, key: undefined },
      { opcode: 2, payload, reserved: roll(8) },
      { opcode: 2, payload, lengthBits: 64 },
      { opcode: 2, length: pick(roll, [65536, 2 ** 40, 2 ** 53 - 1]), lengthBits: 64, payload },
    ]);
  });
  return Buffer.concat([...first, ...others].map(clientFrame));
}

const forms = [
  "user=USER&user_password=PASSWORD",
  "user=USER&user_password=wrong",
  "user=&user_password=",
  "user=%FF&user_password=%zz",
  "user=USER",
  "&".repeat(101),
  '--x\r\nContent-Disposition: form-data; name="user"\r\n\r\nUSER\r\n--x\r\nContent-Disposition: form-data; name="user_password"\r\n\r\nPASSWORD\r\n--x--\r\n',
  '--x\r\nContent-Disposition: form-data; name="user"; filename="f"\r\n\r\nUSER\r\n--x--\r\n',
  "--x\r\n\r\n--x",
  "--x--",
];

type Recipe = (roll: Roll, login: Login) => Buffer;

const recipes: readonly Recipe[] = [
  // Watching.
  (roll, { user }) =>
    Buffer.from(
      head(roll, pick(roll, ["GET", "GET", "GET", "HEAD"]), target(roll, user, "/watch/USER/CHANNEL"), []),
    ),
  (roll, login) =>
    Buffer.from(
      head(roll, "GET", target(roll, login.user, "/watch/USER/CHANNEL"), [
        `Authorization: ${authorization(roll, login)}`,
      ]),
    ),
  // Broadcasting.
  (roll, login) => {
    const method = pick(roll, ["PUT", "POST", "SOURCE"]);
    const at = target(roll, login.user, "/broadcast/USER/CHANNEL");
    const own = [`Authorization: ${authorization(roll, login)}`];
    const body = Buffer.alloc(pick(roll, [0, 5, 500, 20_000]), 120);
    if (roll(2) === 0)
      return Buffer.concat([
        Buffer.from(head(roll, method, at, [...own, "Transfer-Encoding: chunked"])),
        chunked(roll),
      ]);
    const first = pick(roll, [0, 5, 100]);
    if (roll(3) === 0) own.push(`Content-Range: bytes ${first}-${first + body.length - 1}/*`);
    if (roll(5) > 0) own.push(`Content-Length: ${body.length}`);
    return Buffer.concat([Buffer.from(head(roll, method, at, own)), body]);
  },
  // WebSockets.
  (roll, login) => {
    const path = pick(roll, ["/watch/USER/CHANNEL", "/broadcast/USER/CHANNEL"]);
    const own = [
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    return Buffer.concat([
      Buffer.from(head(roll, "GET", target(roll, login.user, path), own)),
      frames(roll, login),
    ]);
  },
  // Tokens, by Basic authentication and by forms.
  (roll, login) => {
    const form = Buffer.from(
      pick(roll, forms).replace("USER", login.user).replace("PASSWORD", login.password),
    );
    const own = [`Content-Length: ${form.length}`];
    if (roll(3) === 0) own.push(`Authorization: ${authorization(roll, login)}`);
    else own.push(`Content-Type: ${pick(roll, fields["Content-Type"])}`);
    return Buffer.concat([Buffer.from(head(roll, "POST", "/token", own)), form]);
  },
  // What is answered at once.
  (roll, login) => {
    const path = pick(roll, [
      "/",
      "/play/USER/CHANNEL",
      "/broadcast/USER/CHANNEL",
      "/assets/x",
      "/assets/../x",
      "/healthz",
      "/api/channels",
      "/api/channels/USER/CHANNEL",
      "/api/openapi.json",
      "/metrics",
      "/token",
      "*",
      "/nowhere",
    ]);
    const method = pick(roll, [
      "GET",
      "GET",
      "GET",
      "HEAD",
      "OPTIONS",
      "DELETE",
      "TRACE",
      "CONNECT",
      "PATCH",
    ]);
    const own = roll(2) === 0 ? [] : [`Authorization: ${authorization(roll, login)}`];
    return Buffer.from(head(roll, method, target(roll, login.user, path), own));
  },
];

const scraps = [
  "\r\n",
  "\r\n\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  ":",
  "\t",
  "%",
  "%0A",
  "\xff",
  "é",
  "0\r\n\r\n",
  "HTTP/1.1",
  "GET / HTTP/1.1\r\n\r\n",
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "\x16\x03\x01\x02\0",
  "a".repeat(9000),
];

/** What one client sends, all of it. */
export function drawRequest(roll: Roll, login: Login): Buffer {
  const bytes = pick(roll, recipes)(roll, login);
  return roll(2) === 0 ? bytes : damaged(bytes, roll, scraps, pick(roll, recipes)(roll, login));
}
