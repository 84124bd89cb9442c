// What the headers of a container have to consist of: the whole one for a watcher that starts, and what may be repeated in
// mid-stream. Only the elements' kinds are looked at, as walk.ts has them; whether a decoder takes them is ffmpeg's to say.

import type { Fixture } from "./manifest.ts";
import { walk } from "./walk.ts";

/** A keyframe of HEVC that is no IDR (ITU-T H.265, table 7-1). */
const cra = 21;

/** Kinds that have to be there, and kinds that may be. */
interface Parts {
  readonly must: readonly string[];
  readonly may: readonly string[];
}

/** What a picture is in a header, by container: those for a decoder that starts at a keyframe that is no IDR. */
const pictures: Readonly<Record<string, string>> = {
  flv: "video",
  fmp4: "moof",
  matroska: "block",
  mpegts: "video",
  h264: "1",
};

/** For each container of elements: of `start`, of `resume`. `isOpen`: the join's keyframe is no IDR of H.264. */
function parts({ container, codecs }: Fixture, isOpen: boolean): [Parts, Parts] | undefined {
  const has = (codec: string) => codecs.includes(codec);
  const bridge = isOpen ? [pictures[container]] : [];
  const both = (must: readonly string[], may: readonly string[]): [Parts, Parts] => [
    { must: [...must, ...bridge], may },
    { must: [...must, ...bridge], may },
  ];
  switch (container) {
    case "flv": {
      const configurations = [
        ...(has("h264") ? ["video configuration"] : []),
        ...(has("aac") ? ["audio configuration"] : []),
      ];
      return [
        { must: ["head", "metadata", ...configurations, ...bridge], may: [] },
        { must: [...configurations, ...bridge], may: [] },
      ];
    }
    case "fmp4": {
      const fragment = ["moof", "mdat"];
      return [
        { must: ["ftyp", "moov", ...bridge], may: fragment },
        { must: has("hevc") ? fragment : bridge, may: fragment },
      ];
    }
    case "matroska": {
      const blocks = ["cluster", "timestamp", "block"];
      return [
        { must: ["ebml", "segment", "info", "tracks", ...bridge], may: blocks },
        { must: has("hevc") ? blocks : bridge, may: blocks },
      ];
    }
    case "ogg":
      return [
        { must: ["page"], may: [] },
        { must: [], may: [] },
      ];
    case "mpegts":
      return both(["pat", "pmt"], ["video"]);
    case "h264":
      return both(["7", "8"], isOpen ? ["5", "6", "9"] : []);
    case "hevc":
      return both(["32", "33", "34"], ["36"]);
    default:
      return undefined;
  }
}

/** The kinds of a header's elements. */
function kinds(container: string, header: Uint8Array): string[] {
  const all = walk(container, header).map(({ kind, end }) => {
    if (container !== "fmp4" && end > header.length && Number.isFinite(end)) return "cut off";
    if (container === "ogg") return kind.split(" ")[0];
    if (container !== "mpegts") return kind;
    const [pid, start] = kind.split(" ");
    if (pid === "0") return "pat";
    return Number(pid) >= 0x1000 ? "pmt" : start === undefined ? "" : "video";
  });
  return [...new Set(all)].filter((kind) => kind !== "");
}

function faultsOf(name: string, container: string, header: Uint8Array, { must, may }: Parts): string[] {
  const found = kinds(container, header);
  return [
    ...must.filter((kind) => !found.includes(kind)).map((kind) => `${name} lacks ${kind}`),
    ...found
      .filter((kind) => !must.includes(kind) && !may.includes(kind))
      .map((kind) => `${name} has ${kind || "what is no element"}`),
  ];
}

/** What is wrong with the header of a join in `fixture`, whose bytes are `file`. */
export function headerFaults(
  fixture: Fixture,
  file: Uint8Array,
  offset: number,
  { start, resume }: { readonly start: Uint8Array; readonly resume: Uint8Array },
): string[] {
  const { container, codecs } = fixture;
  const isFirst = offset === fixture.joins[0];
  const wanted = parts(fixture, codecs.includes("h264") && /-(open|refresh)/.test(fixture.file) && !isFirst);
  if (wanted !== undefined) {
    const faults = [
      ...faultsOf("start", container, start, wanted[0]),
      ...faultsOf("resume", container, resume, wanted[1]),
    ];
    // in the middle of a fragment or cluster what it is in has to be opened again
    const isInside = !["moof", "styp", "sidx"].includes(
      String.fromCharCode(...file.subarray(offset + 4, offset + 8)),
    );
    const opens =
      container === "fmp4" && fixture.isVideo ? isInside : container === "matroska" && file[offset] === 0xa3;
    if (opens && resume.length === 0) faults.push("resume is empty inside of a unit");
    // a keyframe of HEVC that is no IDR is decoded in mid-stream only behind the end of a sequence
    if (codecs.includes("hevc") && (container === "hevc" || container === "mpegts")) {
      const picture = file.subarray(
        offset,
        fixture.cuts.find((cut) => cut > offset),
      );
      const isOpen = Buffer.from(picture).includes(Buffer.of(0, 0, 1, cra << 1));
      const ends = resume.length > start.length;
      if (ends !== isOpen) faults.push(`resume ${ends ? "ends" : "does not end"} the sequence`);
    }
    return faults;
  }
  const faults: string[] = [];
  const same = (bytes: Uint8Array, at: number, length: number) =>
    Buffer.compare(bytes.subarray(0, length), file.subarray(at, at + length)) === 0 && bytes.length >= length;
  if (["flac", "wav", "ivf", "y4m"].includes(container)) {
    // the file's own, up to sizes and checksums that are not true for joiners
    if (!same(start, 0, 4) && container !== "wav") faults.push("start is not the file's header");
    if (container === "wav" && String.fromCharCode(...start.subarray(8, 12)) !== "WAVE")
      faults.push("start is no WAVE");
    if (resume.length > 0) faults.push("resume repeats what can't be repeated");
  } else {
    // frames: a first one that others rely on, or one of silence for a decoder that goes on
    if (start.length > 0 && !fixture.file.includes("pce")) faults.push("start has what frames do not need");
    if (fixture.file.includes("pce") && (start.length === 0 || Buffer.compare(start, resume) !== 0))
      faults.push("start or resume lacks the program configuration");
    const isLayer3 = codecs.includes("mp3");
    if (isLayer3 !== resume.length > 0 && !fixture.file.includes("pce"))
      faults.push("resume is not as it has to be");
    if (resume.length > 0 && !(resume[0] === 0xff && resume[1] >= 0xe0)) faults.push("resume is no frame");
  }
  return faults;
}
