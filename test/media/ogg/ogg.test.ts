// Ogg: header pages, fresh pages, keyframes, packets that go on, chained streams, lost places.

import { describe, expect, test } from "bun:test";
import { sniffLimit } from "../../../src/media/detector.ts";
import { fingerprint } from "../../../src/media/fingerprint.ts";
import { ogg } from "../../../src/media/ogg/ogg.ts";
import { capture } from "../capture.ts";
import { concat, fixture, noise } from "../recorder.ts";

const ascii = (text: string) => [...Buffer.from(text, "latin1")];

/** A page of packets; the last one goes on in the next page if `open`. Its checksum is left out. */
function page(serial: number, flags: number, packets: number[][], open = false): Uint8Array {
  const segments = packets.flatMap((packet, i) => {
    const full = Array.from({ length: Math.floor(packet.length / 255) }, () => 255);
    return open && i === packets.length - 1 ? full : [...full, packet.length % 255];
  });
  const head = new Uint8Array(27);
  head.set(ascii("OggS"));
  head[5] = flags;
  new DataView(head.buffer).setUint32(14, serial);
  head[26] = segments.length;
  return concat(head, Uint8Array.from(segments), Uint8Array.from(packets.flat()));
}

const first = 2;
const continued = 1;
const theora = (serial: number) => {
  const ident = [...ascii("\x80theora"), 3, 2, 1, 0, 4, 0, 3, 0, 0, 64, 0, 0, 48, ...new Uint8Array(20)];
  return [page(serial, first, [ident]), page(serial, 0, [ascii("\x81theora"), ascii("\x82theora")])];
};
const opus = (serial: number) => [
  page(serial, first, [ascii("OpusHead")]),
  page(serial, 0, [ascii("OpusTags")]),
];
const key = [0x10, 1, 2];
const inter = [0x50, 1, 2];
const sound = [0xfc, 1, 2];
const long = (packet: number[], length: number) => [...packet, ...new Uint8Array(length - packet.length)];

function follow(...pages: Uint8Array[]) {
  const starts = pages.map((_, i) => concat(...pages.slice(0, i)).length);
  const followed = capture(ogg, concat(...pages));
  const at = followed.joins.map(({ offset }) => starts.indexOf(offset));
  return { ...followed, at, unitsAt: followed.units.map((unit) => starts.indexOf(unit)) };
}

describe("Ogg", () => {
  test("tells what a stream is", async () => {
    expect(capture(ogg, await fixture("ogg-theora-vorbis.ogg")).info).toEqual({
      container: "ogg",
      mediaType: "video/ogg",
      codecs: ["theora", "vorbis"],
      width: 64,
      height: 48,
      damaged: 0,
    });
    const sound = { container: "ogg", mediaType: "audio/ogg", damaged: 0 };
    expect(capture(ogg, await fixture("ogg-opus.ogg")).info).toEqual({ ...sound, codecs: ["opus"] });
    expect(capture(ogg, await fixture("ogg-flac.ogg")).info).toEqual({ ...sound, codecs: ["flac"] });
  });

  test("joins video at pages that begin with a keyframe, with all of the header's pages", () => {
    const [video, videoRest] = theora(7);
    const [audio, audioRest] = opus(8);
    const header = [video, audio, videoRest, audioRest];
    const pages = [
      page(7, 0, [key]),
      page(8, 0, [sound]),
      page(7, 0, [inter, key]),
      page(7, 0, [key, inter]),
    ];
    const { at, joins } = follow(...header, ...pages);
    expect(at).toEqual([4, 7]);
    expect(joins[0].header.start).toEqual(concat(...header));
    expect(joins[0].header.fixed).toBe(fingerprint(concat(...header)));
    expect(joins[0].header.resume.length).toBe(0);
  });

  test("joins sound alone at fresh pages only", () => {
    const pages = [
      page(8, 0, [sound, sound]),
      page(8, 0, [long(sound, 255)], true),
      page(8, continued, [[1, 2], sound]),
      page(8, 0, [sound]),
    ];
    expect(follow(...opus(8), ...pages).at).toEqual([2, 3, 5]);
  });

  test("ends no unit while a packet of any stream goes on", () => {
    const [video, videoRest] = theora(7);
    const [audio, audioRest] = opus(8);
    const { unitsAt } = follow(
      video,
      audio,
      videoRest,
      audioRest,
      page(7, 0, [long(key, 510)], true),
      page(8, 0, [sound]),
      page(7, continued, [[1]]),
      page(8, 0, [sound]),
      page(8, 0, [sound]),
    );
    expect(unitsAt).toEqual([4, 7, 8, -1]);
  });

  test("takes header packets that lie over several pages, or are as many as FLAC's first says", () => {
    const vorbis = [
      page(3, first, [ascii("\x01vorbis")]),
      page(3, 0, [ascii("\x03vorbis"), long(ascii("\x05vorbis"), 255)], true),
      page(3, continued, [[1, 2]]),
    ];
    expect(follow(...vorbis, page(3, 0, [sound])).at).toEqual([3]);
    const flac = (count: number) =>
      page(3, first, [[...ascii("\x7fFLAC\x01\x00"), 0, count, ...ascii("fLaC")]]);
    const block = (type: number) => page(3, 0, [[type, 0, 0, 1, 0]]);
    expect(follow(flac(2), block(4), block(0x84), page(3, 0, [sound])).at).toEqual([3]);
    expect(follow(flac(0), block(4), block(4), block(0x84), page(3, 0, [sound])).at).toEqual([4]);
  });

  test("gives joiners of a chained stream the newest header", () => {
    const pages = [...opus(8), page(8, 0, [sound]), ...theora(9), page(9, 0, [key]), page(9, 0, [inter])];
    const { joins, at, info, unitsAt } = follow(...pages);
    expect(at).toEqual([2, 5]);
    expect(joins[1].header.start).toEqual(concat(...theora(9)));
    expect(info.codecs).toEqual(["theora"]);
    expect(unitsAt).toEqual([2, 3, 5, 6, -1]);
  });

  test("finds its place again after lost bytes, and counts that", async () => {
    const bytes = await fixture("ogg-theora-vorbis.ogg");
    const whole = capture(ogg, bytes);
    const cut = whole.joins[1].offset + 100;
    const bad = capture(ogg, concat(bytes.subarray(0, cut), bytes.subarray(cut + 333)));
    expect(bad.info.damaged).toBe(1);
    expect(bad.joins.at(-1)?.offset).toBe(whole.joins[2].offset - 333);
  });

  test("is lost in a mebibyte without a page", () => {
    const stream = concat(...opus(8), page(8, 0, [sound]), noise(1024 * 1024 + 100, 3));
    expect(capture(ogg, stream.subarray(0, 1024 * 1024)).lost).toBe(false);
    expect(capture(ogg, stream).lost).toBe(true);
  });

  test("is recognised by the checksum of its first page", async () => {
    const bytes = await fixture("ogg-opus.ogg");
    expect(ogg.sniff(bytes.subarray(0, 30))).toBe("more");
    expect(ogg.sniff(bytes.subarray(0, 60))).toBe("yes");
    const wrong = bytes.slice(0, 60);
    wrong[40] ^= 1;
    expect(ogg.sniff(wrong)).toBe("no");
    expect(ogg.sniff(concat(bytes.subarray(0, 26), noise(sniffLimit, 1)))).toBe("no");
    expect(ogg.sniff(Uint8Array.from(ascii("Ogg")))).toBe("more");
    expect(ogg.sniff(Uint8Array.from(ascii("Oggs")))).toBe("no");
  });
});
