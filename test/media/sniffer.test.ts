// The sniffer: when it decides, that pieces do not matter, and that what it does not know stays opaque.

import { describe, expect, test } from "bun:test";
import { type Container, type Sink, sniffLimit } from "../../src/media/detector.ts";
import { Sniffer } from "../../src/media/sniffer.ts";
import { feed, fixture, noise, Recorder } from "./recorder.ts";

const unknown = { container: "unknown", mediaType: "application/octet-stream", codecs: [], damaged: 0 };

/** A container that answers "no" or "yes" from a length on, and counts how often and with what it is asked. */
function fake(name: string, from: number, answer: "no" | "yes" | "more") {
  const asked: number[] = [];
  const fed: [number, number][] = [];
  let lost = false;
  const container: Container = {
    name,
    sniff(start) {
      asked.push(start.length);
      return start.length >= from ? answer : "more";
    },
    create: (sink: Sink) => ({
      info: { ...unknown, container: name },
      feed(bytes, offset) {
        fed.push([offset, bytes.length]);
        sink.unit(offset);
      },
      get lost() {
        return lost;
      },
    }),
  };
  return { container, asked, fed, lose: () => (lost = true) };
}

/** How many bytes it takes, one by one, until the sniffer is no longer sniffing. */
function decidedAfter(bytes: Uint8Array): { after: number; state: string } {
  const sniffer = new Sniffer(new Recorder());
  let at = 0;
  for (; at < bytes.length && sniffer.state === "sniffing"; at++)
    sniffer.feed(bytes.subarray(at, at + 1), at);
  return { after: at, state: sniffer.state };
}

const text = (value: string) => new TextEncoder().encode(value);

describe("the sniffer", () => {
  test("gives the container what it kept, then every byte once and in order", () => {
    const known = fake("known", 100, "yes");
    const sniffer = new Sniffer(new Recorder(), [known.container]);
    expect(sniffer.info).toEqual(unknown);
    feed(sniffer, new Uint8Array(400), () => 30, 5000);
    expect(sniffer.state).toBe("known");
    expect(sniffer.info.container).toBe("known");
    let next = 5000;
    for (const [offset, length] of known.fed) {
      expect(offset).toBe(next);
      next += length;
    }
    expect(next).toBe(5400);
    expect(known.fed[0][1]).toBe(known.asked.at(-1) ?? 0);
  });

  test("asks at the same lengths however the bytes come, and not often", () => {
    const asked = [1, 7, 1000, 65_536].map((size) => {
      const never = fake("never", Number.POSITIVE_INFINITY, "no");
      feed(new Sniffer(new Recorder(), [never.container]), new Uint8Array(70_000), () => size);
      return never.asked;
    });
    for (const lengths of asked) expect(lengths).toEqual(asked[0]);
    expect(asked[0].at(-1)).toBe(sniffLimit);
    expect(asked[0].length).toBeLessThan(25);
  });

  test("believes a container only when all before it have said no", () => {
    const first = fake("first", 200, "no");
    const second = fake("second", 50, "yes");
    const sniffer = new Sniffer(new Recorder(), [first.container, second.container]);
    sniffer.feed(new Uint8Array(150), 0);
    expect(sniffer.state).toBe("sniffing");
    sniffer.feed(new Uint8Array(250), 150);
    expect(sniffer.info.container).toBe("second");
  });

  test("does not ask a container again that has said no", () => {
    const first = fake("first", 0, "no");
    feed(
      new Sniffer(new Recorder(), [first.container, fake("more", 0, "more").container]),
      new Uint8Array(500),
      () => 100,
    );
    expect(first.asked).toEqual([16]);
  });

  test("is opaque for good once its container has lost its way", () => {
    const known = fake("known", 0, "yes");
    const recorder = new Recorder();
    const sniffer = new Sniffer(recorder, [known.container]);
    sniffer.feed(new Uint8Array(100), 0);
    known.lose();
    sniffer.feed(new Uint8Array(100), 100);
    expect(sniffer.state).toBe("opaque");
    expect(sniffer.lost).toBe(true);
    expect(sniffer.info).toEqual(unknown);
    const calls = recorder.calls.length;
    sniffer.feed(new Uint8Array(100), 200);
    expect(recorder.calls.length).toBe(calls);
  });

  test("is opaque at the limit if no container decides", () => {
    const sniffer = new Sniffer(new Recorder(), [fake("more", 0, "more").container]);
    sniffer.feed(new Uint8Array(sniffLimit - 1), 0);
    expect(sniffer.state).toBe("sniffing");
    sniffer.feed(new Uint8Array(1), sniffLimit - 1);
    expect(sniffer.state).toBe("opaque");
  });

  test.each([
    ["noise", noise(20_000, 1)],
    ["other noise", noise(20_000, 2)],
    ["text", text("Eight o'clock, and all is well.\n".repeat(700))],
    ["a page", text(`<!DOCTYPE html>\n<html>${"<p>Hello</p>\n".repeat(2000)}`)],
    ["zeros", new Uint8Array(20_000)],
    ["ones", new Uint8Array(20_000).fill(0xff)],
    ["sync bytes of TS", new Uint8Array(20_000).fill(0x47)],
    ["a tar file", text(`name.txt${"\0".repeat(92)}0000644\0${"\0".repeat(149)}ustar`.padEnd(20_000, "\0"))],
  ])("takes %s for nothing it knows, within 8 KiB", (_, bytes) => {
    const { after, state } = decidedAfter(bytes);
    expect(state).toBe("opaque");
    expect(after).toBeLessThanOrEqual(8192);
  });

  test.each([
    "ID3\x04\0\0\0\0\0\x10",
    "fLaC",
    "RIFF\xff\xff\xff\xffWAVE",
    "DKIF\0\0\x20\0VP80",
    "YUV4MPEG2 W16 H16\n",
    "\xff\xd8\xff",
    "\x1a\x45\xdf\xa3",
    "FLV\x01\x05\0\0\0\x09\0\0\0\0",
    "OggS\0\x02",
    "\0\0\0\x20ftypiso5",
    "\0\0\0\x01\x67",
    "\x0b\x77",
    "\xff\xfb\x90\0",
    "\xff\xf1\x50\x80",
    "G@",
  ])("ends as opaque where only the first bytes look like something: %j", (magic) => {
    const bytes = new Uint8Array(3 << 20);
    bytes.set(noise(1 << 20, 8));
    bytes.set(noise(1 << 20, 9), 1 << 20);
    bytes.set(noise(1 << 20, 10), 2 << 20);
    bytes.set(Uint8Array.from(magic, (character) => character.charCodeAt(0)));
    const recorder = new Recorder();
    const sniffer = new Sniffer(recorder);
    feed(sniffer, bytes, () => 65_536);
    expect(sniffer.state).toBe("opaque");
  });

  // Slow streams: 1 KiB of 32 kbit/s is a quarter of a second.
  test.each([
    ["adts-mono.aac", 1024],
    ["mp3-mono.mp3", 512],
    ["mp3-vbr.mp3", 2048],
    ["flac-mono.flac", 64],
    ["wav-mulaw.wav", 64],
    ["ivf-vp8.ivf", 64],
    ["y4m-420.y4m", 256],
    ["mjpeg-420.mjpeg", 1024],
  ])("knows %s within %i bytes", async (file, limit) => {
    const { after, state } = decidedAfter(await fixture(file));
    expect(state).toBe("known");
    expect(after).toBeLessThanOrEqual(limit);
  });
});
