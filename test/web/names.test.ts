// Names, addresses and numbers on the pages.

import { describe, expect, test } from "bun:test";
import {
  channelOfPath,
  channelOfText,
  channelsOfQuery,
  maxWallPlayers,
  pathOf,
  wallPathOf,
} from "../../src/web/browser/channel.ts";
import {
  age,
  bitRate,
  browserName,
  byteCount,
  clock,
  codecName,
  containerName,
  count,
  isSound,
  quoted,
} from "../../src/web/browser/words.ts";

const names = [
  { user: "fier", channel: "default" },
  { user: "fier", channel: "a/b c" },
  { user: "ann", channel: "50%&x=?#" },
  { user: "ann", channel: "звук+" },
];

describe("a channel's path", () => {
  test.each(names)("of %p leads back to it", (name) => {
    expect(channelOfPath(pathOf("play", name))).toEqual(name);
  });

  test("without a channel means the default one", () => {
    expect(channelOfPath("/play/fier")).toEqual({ user: "fier", channel: "default" });
    expect(channelOfPath("/play/fier/")).toEqual({ user: "fier", channel: "default" });
  });

  test("that makes no sense is of none", () => {
    expect(channelOfPath("/play")).toBeUndefined();
    expect(channelOfPath("/play/")).toBeUndefined();
    expect(channelOfPath("/play/%zz/a")).toBeUndefined();
    for (const path of ["/play/a%0Ab", "/play/a/b%0Ac", "/play/a/%C2%9Bb", "/play/%7F"])
      expect([path, channelOfPath(path)]).toEqual([path, undefined]);
  });

  test("of a wall leads back to all of its channels", () => {
    expect(channelsOfQuery(wallPathOf(names).slice("/play".length))).toEqual(names);
  });

  test("of a wall may have its slashes encoded, as a form does it", () => {
    expect(channelsOfQuery("?ch=a%2Fb&muted=1&ch=c/d&ch=%zz")).toEqual([
      { user: "a", channel: "b" },
      { user: "c", channel: "d" },
    ]);
  });

  test("of a wall has an end", () => {
    expect(channelsOfQuery(`?${"ch=a/b&".repeat(1000)}`)).toHaveLength(maxWallPlayers);
  });

  test("can be typed", () => {
    expect(channelOfText(" fier ")).toEqual({ user: "fier", channel: "default" });
    expect(channelOfText("fier/a/b")).toEqual({ user: "fier", channel: "a/b" });
    expect(channelOfText("  ")).toBeUndefined();
  });
});

test("numbers are written as people read them", () => {
  expect([0, 999, 1500, 2_440_000, 12_600_000, 999_999].map(bitRate)).toEqual([
    "0 bit/s",
    "999 bit/s",
    "1.5 kbit/s",
    "2.4 Mbit/s",
    "13 Mbit/s",
    "1.0 Mbit/s",
  ]);
  expect(byteCount(22_900_000)).toBe("23 MB");
  expect([7, 67, 3723].map(clock)).toEqual(["0:07", "1:07", "1:02:03"]);
  expect([5, 300, 7200, 200_000].map(age)).toEqual([
    "Just started",
    "Live for 5 min",
    "Live for 2 h",
    "Live for 2 d",
  ]);
  expect([count(1, "watcher"), count(1200, "watcher")]).toEqual(["1 watcher", "1,200 watchers"]);
});

test("codecs and containers have the names that people know", () => {
  expect(
    ["h264", "avc1.64001f", "hvc1.1.6.L93.B0", "vp9", "vp09.00.10.08", "av01.0.04M.08"].map(codecName),
  ).toEqual(["H.264", "H.264", "HEVC", "VP9", "VP9", "AV1"]);
  expect(["aac", "mp4a.40.2", "opus", "ac-3", "eac3", "V_UNCOMPRESSED"].map(codecName)).toEqual([
    "AAC",
    "AAC",
    "Opus",
    "AC-3",
    "E-AC-3",
    "V_UNCOMPRESSED",
  ]);
  expect(["mpegts", "fmp4", "", "nut"].map(containerName)).toEqual(["MPEG-TS", "MP4", "data", "nut"]);
  expect(["aac", "opus", "mp4a.40.2", "ac3", "pcm_s16le"].every(isSound)).toBe(true);
  expect(["h264", "hevc", "vp9", "av1", "theora", "mjpeg"].some(isSound)).toBe(false);
});

test("a browser is known by what its user calls it", () => {
  const chrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  expect(browserName(chrome)).toBe("Chrome");
  expect(browserName(`${chrome} Edg/156.0`)).toBe("Edge");
  expect(browserName("Mozilla/5.0 (X11; rv:150.0) Gecko/20100101 Firefox/150.0")).toBe("Firefox");
  expect(
    browserName("Mozilla/5.0 (iPhone) AppleWebKit/605.1 (KHTML, like Gecko) Version/26 Safari/604.1"),
  ).toBe("Safari");
  expect(browserName("curl")).toBe("this browser");
});

test("a word of a command line is quoted where a shell would take it apart", () => {
  expect(["fier", "a b", "it's", "$(reboot)"].map(quoted)).toEqual([
    "fier",
    "'a b'",
    "'it'\\''s'",
    "'$(reboot)'",
  ]);
});
