// Protocols of servers that are no fstream, by what each says first: an alert of TLS (RFC 8446, section 6), a status line of HTTP (RFC
// 9112, section 4), the greeting of a mail or file server. A stream of the original protocol may be any bytes, so a greeting
// counts only as a whole line of text that has a letter in it. Pure.

interface Protocol {
  readonly name: string;
  /** How it begins: for each byte, what it may be. */
  readonly start: readonly (readonly number[])[];
  /** Whether the rest of the first line has to be there, too, and be text. */
  readonly isGreeting?: boolean;
}

/** A greeting's longest line; of SMTP (RFC 5321, section 4.5.3.1.5) and POP3 (RFC 2449, section 4) it is 512 bytes. */
const maxLineBytes = 512;

const lineFeed = 0x0a;

/** In telnet IAC, then WILL, WONT, DO or DONT, and an option (RFC 854); two of them, as an MP3 frame may begin like one. */
const negotiation = [[0xff], [0xfb, 0xfc, 0xfd, 0xfe], range(0, 0x27)];

const protocols: readonly Protocol[] = [
  // Record type, version, length of an alert, its level.
  { name: "TLS", start: [[0x15], [3], range(0, 4), [0], [2], [1, 2]] },
  { name: "HTTP", start: text("HTTP/1.") },
  // RFC 4253, section 4.2.
  { name: "SSH", start: text("SSH-2.0-") },
  // RFC 5321, section 4.3.1, and RFC 959, section 5.4: ready, or why not.
  ...["120", "220", "421", "500", "502", "530", "554"].flatMap((code) =>
    greeting("SMTP or FTP", `${code} `, `${code}-`),
  ),
  // RFC 3977, section 5.1.
  ...greeting("NNTP", "200 ", "201 "),
  // RFC 1939, section 3; RESP, as Redis answers to what is no command.
  ...greeting("POP3", "+OK"),
  ...greeting("POP3 or Redis", "-ERR"),
  // RFC 9051, section 7.1.
  ...greeting("IMAP", "* OK ", "* PREAUTH ", "* BYE "),
  // RFC 6143, section 7.1.1.
  ...greeting("VNC", "RFB 00"),
  ...greeting("rsync", "@RSYNCD: "),
  ...greeting("NATS", "INFO {"),
  ...greeting("RTSP", "RTSP/1.", "RTSP/2."),
  ...greeting("SIP", "SIP/2."),
  { name: "telnet", start: [...negotiation, ...negotiation.slice(0, 2)] },
  // The initial handshake packet: length, number 0, version 10, the server's version as text.
  {
    name: "MySQL",
    start: [range(0x20, 0xff), [0], [0], [0], [0x0a], range(0x30, 0x39), [0x2e, ...range(0x30, 0x39)]],
  },
];

function greeting(name: string, ...starts: readonly string[]): readonly Protocol[] {
  return starts.map((start) => ({ name, start: text(start), isGreeting: true }));
}

function text(letters: string): readonly (readonly number[])[] {
  return Array.from(letters, (letter) => [letter.charCodeAt(0)]);
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The protocol of a server that begins with `bytes`; "more" where that takes more of them, undefined: none of these. */
export function otherProtocol(bytes: Uint8Array): { readonly name: string } | "more" | undefined {
  for (const protocol of protocols) {
    const { start, isGreeting = false } = protocol;
    if (!start.every((allowed, index) => index >= bytes.length || allowed.includes(bytes[index]))) continue;
    if (bytes.length < start.length) return "more";
    if (!isGreeting) return protocol;
    const line = bytes.subarray(start.length, maxLineBytes);
    const end = line.indexOf(lineFeed);
    if (!isText(end < 0 ? line : line.subarray(0, end))) continue;
    if (end >= 0) {
      if (hasLetter(bytes.subarray(0, start.length + end))) return protocol;
    } else if (bytes.length < maxLineBytes) return "more";
  }
  return undefined;
}

/** Printable characters of any encoding; a carriage return only at the end. */
function isText(line: Uint8Array): boolean {
  return line.every(
    (byte, index) =>
      (byte >= 0x20 && byte !== 0x7f) || byte === 0x09 || (byte === 0x0d && index === line.length - 1),
  );
}

function hasLetter(line: Uint8Array): boolean {
  return line.some((byte) => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a);
}
