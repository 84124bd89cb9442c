// Fragmented MP4: sync samples in all the places where they can be signalled, fragments cut by time, what comes before
// a fragment, what can't be joined, lost places.

import { describe, expect, test } from "bun:test";
import { sniffLimit } from "../../../src/media/detector.ts";
import { fmp4 } from "../../../src/media/mp4/fmp4.ts";
import { type Capture, capture, patched } from "../capture.ts";
import { concat, fixture, noise, Recorder } from "../recorder.ts";

const words = (...values: number[]) => {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, i) => new DataView(bytes.buffer).setUint32(i * 4, value));
  return bytes;
};
const box = (type: string, ...content: Uint8Array[]) => {
  const body = concat(...content);
  return concat(words(8 + body.length), Buffer.from(type), body);
};
const full = (type: string, version: number, flags: number, ...content: Uint8Array[]) =>
  box(type, words(version * 0x100_0000 + flags), ...content);

const sync = 0x200_0000;
const nonSync = 0x101_0000;
const track = (id: number, handler: string, entry: string) => {
  const visual = new Uint8Array(handler === "vide" ? 78 : 28);
  if (handler === "vide") visual.set([0, 64, 0, 48], 24);
  const table = box("stbl", full("stsd", 0, 0, words(1), box(entry, visual)));
  return box(
    "trak",
    full("tkhd", 0, 3, words(0, 0, id)),
    box("mdia", full("hdlr", 0, 0, words(0), Buffer.from(handler)), box("minf", table)),
  );
};
const trex = (id: number, flags: number) => full("trex", 0, 0, words(id, 1, 10, 100, flags));
const header = (videoFlags = nonSync) =>
  concat(
    box("ftyp", Buffer.from("iso5"), words(512), Buffer.from("iso6")),
    box(
      "moov",
      full("mvhd", 0, 0, new Uint8Array(96)),
      track(1, "vide", "avc1"),
      track(2, "soun", "mp4a"),
      box("mvex", trex(1, videoFlags), trex(2, sync)),
    ),
  );
const moof = (...trafs: Uint8Array[]) => box("moof", full("mfhd", 0, 0, words(1)), ...trafs);
/** What `make` makes of its own length. */
const sized = (make: (length: number) => Uint8Array) => make(make(0).length);
const traf = (tfhd: Uint8Array, ...runs: Uint8Array[]) =>
  box("traf", tfhd, full("tfdt", 0, 0, words(500)), ...runs);
const tfhd = (id: number, flags = 0, ...fields: number[]) =>
  full("tfhd", 0, 0x2_0000 | flags, words(id, ...fields));
const mdat = (length = 300) => box("mdat", noise(length, length));
/** Two samples with the track's defaults. */
const plain = full("trun", 0, 1, words(2, 108));

/** With an address in the file. */
const based = (id: number, flags: number, fields: number[] = []) =>
  full("tfhd", 0, 1 | flags, words(id, 0, 4711, ...fields));
const times = full("tfdt", 0, 0, words(500));
/** Two samples whose data begin so many bytes from the address that counts. */
const run = (offset: number) => full("trun", 0, 1, words(2, offset));

/** Which of these boxes the joins are at, behind the header. */
function joinsAt(before: Uint8Array, ...boxes: Uint8Array[]) {
  const starts = boxes.map((_, i) => before.length + concat(...boxes.slice(0, i)).length);
  const followed = capture(fmp4, concat(before, ...boxes));
  return { ...followed, at: followed.joins.map(({ offset }) => starts.indexOf(offset)), starts };
}

/** A `traf` as patched. */
const late = (head: Uint8Array, at: number) => box("traf", head, box("free"), times, run(at));

/** Of each join, whether a unit ends there, and how long its header is in mid-stream. */
const shapes = ({ joins, units }: Capture) =>
  joins.map(({ offset, header }) => [units.includes(offset), header.resume.length]);

/** What has to follow where a stream is cut off. */
function paddingOf(bytes: Uint8Array): Uint8Array {
  const detector = fmp4.create(new Recorder());
  detector.feed(bytes, 0);
  return concat(...(detector.padding?.() ?? []));
}

/** Whether a stream of one such fragment is lost. */
const lost = (make: (length: number) => Uint8Array) => joinsAt(header(), sized(make), mdat()).lost;

/** The first `tfdt`'s time. */
const timeAt = (from: Buffer) => from.readBigUInt64BE(from.indexOf("tfdt") + 8);

/** A moov's first table of sample sizes: its own size, and how many there are. */
function sizes(moov: Uint8Array): number[] {
  const buffer = Buffer.from(moov);
  const at = buffer.indexOf("stsz");
  return [buffer.readUInt32BE(at - 4), buffer.readUInt32BE(at + 12)];
}

describe("fragmented MP4", () => {
  test("tells what a stream is", async () => {
    expect(capture(fmp4, await fixture("fmp4-hevc.mp4")).info).toEqual({
      container: "fmp4",
      mediaType: "video/mp4",
      codecs: ["hevc", "aac"],
      width: 64,
      height: 48,
      damaged: 0,
    });
    expect(capture(fmp4, await fixture("fmp4-aac.mp4")).info).toEqual({
      container: "fmp4",
      mediaType: "audio/mp4",
      codecs: ["aac"],
      damaged: 0,
    });
  });

  test("joins where the video's first sample is a sync sample, by trun, tfhd or trex", () => {
    const by = (...content: Uint8Array[]) => [
      moof(traf(...(content as [Uint8Array])), traf(tfhd(2), plain)),
      mdat(),
    ];
    const { at } = joinsAt(
      header(),
      ...by(tfhd(1), plain), // 0: trex says no
      ...by(tfhd(1, 0x20, sync), plain), // 2: tfhd says yes
      ...by(tfhd(1), full("trun", 0, 5, words(2, 108, sync))), // 4: its first sample's flags do
      ...by(tfhd(1, 0x20, sync), full("trun", 0, 5, words(1, 108, nonSync))), // 6: or say no
      ...by(tfhd(1), full("trun", 0, 0x701, words(2, 108, 10, 50, sync, 10, 50, nonSync))), // 8: or the sample's own
      ...by(tfhd(1, 0x38, 7, 90, sync), full("trun", 0, 0x401, words(2, 108, 0x100_0000, nonSync))), // 10: depends
    );
    expect(at).toEqual([2, 4, 8]);
    expect(joinsAt(header(sync), ...by(tfhd(1), plain)).at).toEqual([0]);
  });

  test("does not join at fragments of sound beside video", () => {
    const { at, units, starts } = joinsAt(
      header(),
      moof(traf(tfhd(2), plain)),
      mdat(),
      moof(traf(tfhd(1, 0x20, sync), plain)),
      mdat(),
    );
    expect(at).toEqual([2]);
    expect(units).toEqual([starts[2], starts[3] + mdat().length]);
  });

  test("takes what comes before a fragment as part of it", () => {
    const fragment = moof(traf(tfhd(1, 0x20, sync), plain));
    const before = ["styp", "sidx", "prft", "emsg"].map((type) => full(type, 0, 0, words(1, 2, 3)));
    const { at, units } = joinsAt(header(), fragment, mdat(), ...before, fragment, mdat(), fragment, mdat());
    expect(at).toEqual([0, 2, 8]);
    expect(units.length).toBe(3);
  });

  test("joins at a keyframe in a fragment's middle, with a fragment of its own for the rest", async () => {
    const { bytes, joins, units } = capture(fmp4, await fixture("fmp4-timed.mp4"));
    expect(joins.length).toBe(3);
    const [, { offset, header }] = joins;
    expect(units).not.toContain(offset);
    expect(header.start.subarray(-header.resume.length)).toEqual(header.resume);
    const view = new DataView(header.resume.buffer, header.resume.length - 8);
    const end = offset + view.getUint32(0) - 8;
    expect(units).toContain(end);
    // an IDR, a NAL unit behind its length, after the SEI that x264 may put before it
    expect([5, 6]).toContain(bytes[offset + 4] & 31);
  });

  test("leaves nothing behind the cut out, and nothing before it in", () => {
    // two pictures, then a keyframe and one more; then three frames of sound, one after the other
    const video = full(
      "trun",
      0,
      0x701,
      words(4, 0, 10, 40, nonSync, 10, 40, nonSync, 10, 50, sync, 10, 30, nonSync),
    );
    const sound = full("trun", 0, 0x201, words(3, 0, 20, 20, 20));
    const make = (at: number) => {
      new DataView(video.buffer).setUint32(16, at);
      new DataView(sound.buffer).setUint32(16, at + 160);
      return moof(traf(tfhd(1), video), traf(tfhd(2), sound));
    };
    const fragment = make(make(0).length + 8);
    const before = header();
    const { joins } = joinsAt(before, fragment, mdat(220));
    const { resume, start } = joins[0].header;
    expect(joins.map(({ offset }) => offset - before.length)).toEqual([fragment.length + 8 + 80]);
    expect(start).toEqual(concat(before, resume));
    const late = (time: number) => full("tfdt", 1, 0, words(0, time));
    const part = (head: Uint8Array, time: number, run: Uint8Array) => box("traf", head, late(time), run);
    const rest = (at: number) =>
      moof(
        part(tfhd(1), 520, full("trun", 0, 0x701, words(2, at, 10, 50, sync, 10, 30, nonSync))),
        part(tfhd(2), 500, full("trun", 0, 0x201, words(3, at + 80, 20, 20, 20))),
      );
    expect(resume).toEqual(concat(rest(rest(0).length + 8), words(8 + 140), Buffer.from("mdat")));
  });

  test("passes over what else is in a fragment", () => {
    const free = box("free");
    const fragment = moof(
      free,
      box("traf", tfhd(1, 0x20, sync), free, full("tfdt", 0, 0, words(1)), free, plain),
    );
    expect(joinsAt(header(), fragment, mdat()).at).toEqual([0]);
  });

  test("does not cut an encrypted fragment", () => {
    const run = full("trun", 0, 0x701, words(2, 200, 10, 40, nonSync, 10, 40, sync));
    const fragment = moof(traf(tfhd(1), run, full("senc", 0, 0, words(0))));
    expect(joinsAt(header(), fragment, mdat()).joins.length).toBe(0);
    expect(joinsAt(header(), moof(traf(tfhd(1), run)), mdat()).joins.length).toBe(1);
  });

  test("gives joiners a first moov without the samples that they will never get", async () => {
    const { bytes, joins } = capture(fmp4, await fixture("fmp4-samples.mp4"));
    expect(sizes(bytes)[1]).toBe(10);
    expect(sizes(joins[0].header.start)).toEqual([20, 0]);
    expect(Buffer.from(joins[0].header.start).includes("stss")).toBe(false);
  });

  test("has the same fixed part for each run of an encoder, and another for another one's", async () => {
    const bytes = await fixture("fmp4-h264-aac.mp4");
    const other = (change: (copy: Buffer) => void) => {
      const copy = Buffer.from(bytes);
      change(copy);
      return capture(fmp4, new Uint8Array(copy)).headers[0].fixed;
    };
    const same = other(() => undefined);
    expect(
      other((copy) => {
        for (const type of ["mvhd", "tkhd", "mdhd"]) copy.writeUInt32BE(77, copy.indexOf(type) + 8);
      }),
    ).toBe(same);
    expect(other((copy) => copy.writeUInt8(1, copy.indexOf("avcC") + 9))).not.toBe(same);
  });

  test("tells an HEVC decoder of a skip with an end of sequence, a tick before the join", async () => {
    const { bytes, joins } = capture(fmp4, await fixture("fmp4-hevc.mp4"));
    const resume = Buffer.from(joins[2].header.resume);
    expect([...resume.subarray(-14)]).toEqual([0, 0, 0, 14, ...Buffer.from("mdat"), 0, 0, 0, 2, 36 << 1, 1]);
    expect(timeAt(resume)).toBe(timeAt(Buffer.from(bytes.subarray(joins[2].offset))) - 1n);
  });

  test("gives joiners of a stream that begins anew the newest moov", () => {
    const fragment = moof(traf(tfhd(1, 0x20, sync), plain));
    const { at, headers } = joinsAt(
      header(),
      fragment,
      mdat(),
      header(sync),
      moof(traf(tfhd(1), plain)),
      mdat(),
    );
    expect(at).toEqual([0, 3]);
    expect(headers.map(({ start }) => start)).toEqual([header(), header(sync)]);
  });

  test("patches tfhds with an address in the file, and nothing else, for late joiners", () => {
    const one = sized((length) => moof(traf(based(1, 0x20, [sync]), run(length + 8)), traf(tfhd(2), plain)));
    const two = sized((length) =>
      moof(traf(based(1, 0x38, [7, 90, sync]), run(length + 16)), traf(based(2, 0), run(length + 80))),
    );
    const stream = joinsAt(header(), one, mdat(), two, mdat());
    expect(stream).toMatchObject({ at: [0, 2], lost: false, info: { damaged: 0 } });
    expect(patched(stream)).toEqual(
      concat(
        header(),
        moof(late(tfhd(1, 0x20, sync), one.length + 8), traf(tfhd(2), plain)),
        mdat(),
        moof(late(tfhd(1, 0x38, 7, 90, sync), two.length + 16), late(tfhd(2), two.length + 80)),
        mdat(),
      ),
    );
    expect(stream.patches.map(({ offset }) => offset)).toEqual([
      stream.starts[0] + 32,
      stream.starts[2] + 32,
    ]);
    expect(joinsAt(header(), moof(traf(tfhd(1, 0x20, sync), plain)), mdat()).patches).toEqual([]);
  });

  test("tells how far a stream is free of patches that are not known yet", () => {
    const fragment = sized((length) => moof(traf(based(1, 0x20, [sync]), run(length + 8))));
    const recorder = new Recorder();
    const detector = fmp4.create(recorder);
    const from = header().length;
    const known: number[] = [];
    concat(header(), fragment, mdat()).forEach((byte, at) => {
      detector.feed(Uint8Array.of(byte), at);
      if (at >= from) known.push(detector.unpatchedFrom ?? 0);
    });
    const [all, data] = [Number.POSITIVE_INFINITY, from + fragment.length];
    const inMoof = Array.from({ length: fragment.length - 1 }, () => from);
    const inHead = Array.from({ length: 7 }, () => data);
    expect(known).toEqual([...inMoof, all, ...inHead, ...Array.from({ length: 301 }, () => all)]);
    expect(recorder.patches.length).toBe(1);
  });

  test("gives joiners in the middle of a fragment with addresses in the file the same as without", async () => {
    const absolute = capture(fmp4, await fixture("fmp4-absolute-timed.mp4"));
    const relative = capture(fmp4, await fixture("fmp4-timed.mp4"));
    expect(absolute.patches.length).toBe(absolute.units.length);
    expect(shapes(absolute)).toEqual(shapes(relative));
  });

  test("makes a fragment with addresses in the file as long as one without, where it is cut off", async () => {
    const stream = capture(fmp4, await fixture("fmp4-absolute.mp4"));
    const relative = patched(stream);
    const { offset } = stream.joins[1];
    const lengths = new Set<number>();
    for (let cut = offset + 8; cut < stream.units[1]; cut += 37) {
      const padding = paddingOf(stream.bytes.subarray(0, cut));
      expect(padding).toEqual(paddingOf(relative.subarray(0, cut)));
      lengths.add(cut + padding.length);
    }
    expect(Math.max(...lengths)).toBe(stream.units[1]);
  });

  test("is lost where the data are not right behind the fragment that has their address", () => {
    const one = (offset: number) => lost((length) => moof(traf(based(1, 0), run(length + offset))));
    expect([8, 9, 16, 7, -100].map(one)).toEqual([false, true, false, true, true]);
    expect(lost(() => moof(traf(based(1, 0), full("trun", 0, 0, words(2)))))).toBe(true);
    expect(lost(() => moof(traf(based(1, 0))))).toBe(true);
    const elsewhere = full("tfhd", 0, 1, words(2, 0, 7));
    const two = (length: number) =>
      moof(traf(based(1, 0), run(length + 8)), traf(elsewhere, run(length + 80)));
    expect(lost(two)).toBe(true);
    const short = full("tfhd", 0, 1, words(1, 0));
    expect(lost((length) => moof(box("traf", short, run(length + 8))))).toBe(true);
  });

  test("takes such a fragment for damage behind others that were right", () => {
    const [good, bad] = [8, 9].map((offset) =>
      sized((length) => moof(traf(based(1, 0x20, [sync]), run(length + offset)))),
    );
    const { at, lost, info } = joinsAt(header(), good, mdat(), bad, mdat(), good, mdat());
    expect({ at, lost, damaged: info.damaged }).toEqual({ at: [0, 4], lost: false, damaged: 1 });
  });

  test("is lost in a file that is not fragmented", async () => {
    const whole = await fixture("unjoinable/whole.mp4");
    expect(fmp4.sniff(whole)).toBe("no");
    expect(capture(fmp4, whole)).toMatchObject({ lost: true, joins: [], headers: [] });
  });

  test("finds its place again at a fragment after lost bytes, and counts that", async () => {
    const bytes = await fixture("fmp4-h264-aac.mp4");
    const whole = capture(fmp4, bytes);
    const cut = whole.joins[1].offset + 2000;
    const bad: Capture = capture(fmp4, concat(bytes.subarray(0, cut), bytes.subarray(cut + 300)));
    expect(bad.info.damaged).toBeGreaterThan(0);
    expect(bad.lost).toBe(false);
  });

  test("is lost in sixteen mebibytes without a fragment", () => {
    const stream = concat(
      header(),
      moof(traf(tfhd(1), plain)),
      mdat(),
      new Uint8Array(16 * 1024 * 1024 + 100),
    );
    expect(capture(fmp4, stream.subarray(0, 16 * 1024 * 1024)).lost).toBe(false);
    expect(capture(fmp4, stream).lost).toBe(true);
  });

  test("is recognised by a whole moov that announces fragments", async () => {
    const bytes = await fixture("fmp4-h264-aac.mp4");
    expect(fmp4.sniff(bytes.subarray(0, 200))).toBe("more");
    expect(fmp4.sniff(bytes.subarray(0, 2000))).toBe("yes");
    for (const length of [8, 28, 36, 60, 400]) {
      expect({ length, is: fmp4.sniff(concat(bytes.subarray(0, length), noise(sniffLimit, 3))) }).toEqual({
        length,
        is: "no",
      });
    }
    expect(fmp4.sniff(Uint8Array.from([0, 0, 0, 28, 0x66, 0x74]))).toBe("more");
    expect(fmp4.sniff(Uint8Array.from([0, 0, 0, 28, 0x66, 0x75]))).toBe("no");
  });
});
