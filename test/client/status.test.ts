// What is live on a server: asked, checked, and shown.

import { describe, expect, test } from "bun:test";
import { parseAddress } from "../../src/client/address.ts";
import { type ChannelStatus, fetchStatus } from "../../src/client/status.ts";
import { statusTable } from "../../src/client/statustable.ts";

const begin = Date.UTC(2026, 0, 1);

/** A channel as the API describes it. */
const described = {
  user: "fier",
  channel: "default",
  state: "live",
  since: new Date(begin).toISOString(),
  container: "mpegts",
  media_type: "video/mp2t",
  codecs: ["h264", "aac"],
  width: 1280,
  height: 720,
  bitrate: 4_120_000,
  watchers: 12,
  received_bytes: 41_300_000,
  sent_bytes: 2 ** 40,
  skips: 3,
  access: "public",
  protected: false,
  watch_url: "/watch/fier/default",
  play_url: "/play/fier/default",
};

/** An answer with arrays in one another. */
function nested(depth: number): string {
  return `{"channels":[],"x":${"[".repeat(depth)}${"]".repeat(depth)}}`;
}

async function asked(answer: (request: Request) => Response, adminToken?: string) {
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  return await fetchStatus(parseAddress(`http://127.0.0.1:${server.port}`), { type: "system" }, adminToken);
}

async function failure(answer: (request: Request) => Response): Promise<unknown> {
  return await asked(answer).catch((error: unknown) => error);
}

describe("the status of a server", () => {
  test("is what its API says, in the order of the names", async () => {
    const seen: string[] = [];
    const channels = [described, { ...described, user: "ann" }, { ...described, channel: "a" }];
    const found = await asked((request) => {
      seen.push(`${request.method} ${new URL(request.url).pathname} ${request.headers.get("authorization")}`);
      return Response.json({ channels }, { headers: { Date: "Thu, 01 Jan 2026 00:00:05 GMT" } });
    });
    expect(seen).toEqual(["GET /api/channels null"]);
    expect(found.answer).toEqual({ channels });
    expect(found.nowMs).toBe(begin + 5000);
    expect(found.channels.map(({ user, channel }) => `${user}/${channel}`)).toEqual([
      "ann/default",
      "fier/a",
      "fier/default",
    ]);
    expect(found.channels[2]).toEqual({
      user: "fier",
      channel: "default",
      state: "live",
      sinceMs: begin,
      container: "mpegts",
      codecs: ["h264", "aac"],
      width: 1280,
      height: 720,
      bitrate: 4_120_000,
      watchers: 12,
      receivedBytes: 41_300_000,
      sentBytes: 2 ** 40,
      skips: 3,
      access: "public",
    });
  });

  test("is asked with the admin token where there is one", async () => {
    let header: string | null = null;
    await asked((request) => {
      header = request.headers.get("authorization");
      return Response.json({ channels: [] });
    }, "0123456789abcdef");
    expect(String(header)).toBe("Bearer 0123456789abcdef");
  });

  test("may be long: thousands of channels", async () => {
    const channels = Array.from({ length: 5000 }, (_, i) => ({ ...described, channel: `cam${i}` }));
    expect((await asked(() => Response.json({ channels }))).channels.length).toBe(5000);
  });

  test("is refused with the server's code and reason", async () => {
    const error = await failure(() =>
      Response.json(
        { error: { code: "unauthorized", message: "wrong admin token" } },
        { status: 401, headers: { "X-Fstream-Code": "unauthorized" } },
      ),
    );
    expect(error).toMatchObject({ code: "unauthorized", message: "wrong admin token" });
  });

  test("is not believed where it is nested deeply, or has no dates", async () => {
    expect((await asked(() => new Response(nested(31)))).channels).toEqual([]);
    const since = JSON.stringify({ channels: [{ ...described, since: "yesterday" }] });
    for (const answer of [nested(32), nested(20_000), since]) {
      expect(await failure(() => new Response(answer))).toMatchObject({
        code: "failed",
        message: "the server's answer is not a list of channels",
      });
    }
  });

  test("is none where there is no API, with a hint at where it is", async () => {
    const error = await failure(() => new Response("nothing here", { status: 404 }));
    expect(error).toMatchObject({
      code: "failed",
      message: expect.stringContaining("no fstream API at 127.0.0.1"),
    });
  });

  test.each([
    "no JSON",
    "null",
    "{}",
    '{"channels":{}}',
    '{"channels":[null]}',
    JSON.stringify({ channels: [{ ...described, watchers: "12" }] }),
    JSON.stringify({ channels: [{ ...described, codecs: [1] }] }),
    JSON.stringify({ channels: [{ ...described, access: undefined }] }),
  ])("is no status: %s", async (body) => {
    expect(await failure(() => new Response(body))).toMatchObject({
      code: "failed",
      message: "the server's answer is not a list of channels",
    });
  });
});

const one: ChannelStatus = {
  user: "fier",
  channel: "default",
  state: "live",
  sinceMs: begin,
  container: "mpegts",
  codecs: ["h264", "aac"],
  width: 1280,
  height: 720,
  bitrate: 4_120_000,
  watchers: 12,
  receivedBytes: 41_300_000,
  sentBytes: 495_600_000,
  skips: 3,
  access: "public",
};
const other: ChannelStatus = {
  ...one,
  channel: "キャム\u001b[31m\u202e",
  state: "held",
  sinceMs: begin + 3_600_000,
  container: "",
  codecs: [],
  width: undefined,
  height: undefined,
  bitrate: 0,
  watchers: 0,
  receivedBytes: 999,
  sentBytes: 0,
  skips: 0,
  access: "password",
};

describe("the table", () => {
  test("has its columns in line, also with wide characters, and nothing that moves a cursor", () => {
    expect(statusTable([one, other], begin + 3_612_000, undefined)).toEqual([
      "CHANNEL                    STATE  ACCESS       TIME  STREAM                           BIT RATE  WATCHERS  RECEIVED    SENT  SKIPS",
      "fier/default               live   public    1:00:12  mpegts, h264 + aac, 1280x720  4.12 Mbit/s        12   41.3 MB  496 MB      3",
      "fier/キャム\\x1b[31m\\u202e  held   password  0:00:12  -                                 0 bit/s         0     999 B     0 B      0",
    ]);
  });

  test("is as wide as the terminal at most: long names and streams are cut first", () => {
    const long = { ...one, channel: "x".repeat(300) };
    for (const width of [200, 120, 100, 40, 10]) {
      const lines = statusTable([one, long], begin, width);
      expect(lines.map((line) => Bun.stringWidth(line)).every((columns) => columns <= width)).toBe(true);
    }
    const [heading, , narrow] = statusTable([one, long], begin, 80);
    expect(heading).not.toContain("RECEIVED");
    expect(narrow).toBe("fier/xxxxxxx…  live   public  0:00:00  mpegts, h264 + aa…  4.12 Mbit/s        12");
    const [, , line] = statusTable([one, long], begin, 120);
    expect(line).toStartWith("fier/xxx");
    expect(line).toEndWith("496 MB      3");
    expect(line).toContain("…  live   public");
  });

  test("has cells of a bounded length, however little room they take", () => {
    const marked = {
      ...one,
      channel: `x${"\u0301".repeat(1_000_000)}`,
      state: `y${"\u0301".repeat(1_000_000)}`,
    };
    for (const width of [undefined, 100])
      for (const line of statusTable([marked], begin, width)) expect(line.length).toBeLessThan(4000);
  });

  test("shows no time before zero, and a broadcast of days in hours", () => {
    expect(statusTable([one], begin - 5000, undefined)[1]).toContain("  0:00:00  ");
    expect(statusTable([one], begin + 100 * 3_600_000, undefined)[1]).toContain("  100:00:00  ");
  });
});
