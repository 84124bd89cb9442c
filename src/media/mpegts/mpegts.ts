// MPEG transport streams (ISO/IEC 13818-1): packets of 188 bytes (2.4.3), PSI (2.4.4, in psi.ts), PES
// packets (2.4.3.6, in pes.ts) as access units.
//
//   header  the PAT and all PMTs, put into packets again; for keyframes that lack something also a small PES
//           packets with it (parameter sets, an end of sequence, a bridge: see annexb/pictures.ts, `Entry`)
//   join    the first packet of a video keyframe's PES packet: what the payload says for H.264, HEVC and
//           MPEG-2, the random access indicator for other codecs; without video, an audio frame
//   unit    the first packet of any video (without video: audio) PES packet at which no other elementary
//           stream is inside a PES packet
//
// Of each packet only the header is touched, of a video PES packet only what precedes the first slice.

import { type Entry, type Mark, type Size } from "../annexb/pictures.ts";
import { concat } from "../bytes.ts";
import {
  type Container,
  type Detector,
  type Header,
  LazyHeader,
  type Sink,
  type StreamInfo,
  sniffLimit,
} from "../detector.ts";
import { Pace } from "../pace.ts";
import { leadIn, leadInBytes, Stream } from "./elementary.ts";
import {
  alignedPackets,
  alignment,
  PacketReader,
  type PacketSink,
  packetBytes,
  payloadStart,
} from "./packets.ts";
import { readPes } from "./pes.ts";
import { Programs } from "./programs.ts";
import { readPat, Sections } from "./psi.ts";

/** Possible cuts passed over, as another stream was inside a PES packet, until one is taken all the same. */
const maxCutsPassed = 64;
/** What is done with a PID's packets. */
const ignored = 0;
const table = 1;
const elementary = 2;

/** MPEG-TS. Yes to five packets in a row and a PAT with a right CRC, or to 64 KiB of sound packets. */
export const mpegts: Container = { name: "mpegts", sniff, create: (sink) => new MpegtsDetector(sink) };

function sniff(start: Uint8Array): "yes" | "no" | "more" {
  if (start.length < (alignedPackets + 1) * packetBytes) return start.length < sniffLimit ? "more" : "no";
  const first = alignment(start);
  if (first < 0) return "no";
  let pat = false;
  const sections = new Sections((section) => {
    pat ||= (readPat(section)?.length ?? 0) > 0;
  });
  for (let at = first; at + packetBytes <= start.length; at += packetBytes) {
    const from = payloadStart(start, at);
    const pid = ((start[at + 1] & 31) << 8) | start[at + 2];
    if (pid === 0 && from < at + packetBytes)
      sections.feed(start, from, at + packetBytes, (start[at + 1] & 0x40) !== 0, start[at + 3] & 15);
  }
  return pat || start.length >= sniffLimit ? "yes" : "more";
}

const nothing = new Uint8Array(0);

class MpegtsDetector implements Detector, PacketSink {
  readonly info: StreamInfo = { container: "mpegts", mediaType: "video/mp2t", codecs: [], damaged: 0 };
  readonly #sink: Sink;
  readonly #packets = new PacketReader(this);

  readonly #roles = new Uint8Array(8192);
  readonly #programs = new Programs();
  #streams = new Map<number, Stream>();
  /** The streams that joins and units go by: all video, else the first audio, else the first of any kind. */
  #leads: readonly Stream[] = [];

  /** PAT and PMTs in packets. */
  #tablePackets: Uint8Array = nothing;
  readonly #headerPace = new Pace();
  /** Whether the newest header is just them. */
  #plain = false;
  #joined = -1;
  #size: Size | undefined;
  #cutsPassed = 0;
  /** Keyframes of several video streams in a row, with no other picture of them in between. */
  #group: { stream: Stream; mark: Mark; entry: Entry }[] = [];
  /** Keyframes of the first video stream since the last join. */
  #missed = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#rebuild();
  }

  get lost(): boolean {
    return this.#packets.lost;
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#packets.feed(bytes, offset);
  }

  get heldBytes(): number {
    let bytes = 2 * this.#tablePackets.length;
    for (const { pictures } of this.#streams.values()) bytes += pictures?.heldBytes ?? 0;
    return bytes;
  }

  padding(): readonly Uint8Array[] {
    return [new Uint8Array(this.#packets.missing).fill(0xff)];
  }

  damaged(): void {
    this.info.damaged++;
    for (const stream of this.#streams.values()) stream.damaged();
  }

  packet(bytes: Uint8Array, at: number, offset: number): void {
    const flags = bytes[at + 1];
    const pid = ((flags & 31) << 8) | bytes[at + 2];
    const role = this.#roles[pid];
    // Packets marked as damaged on the way (transport_error_indicator) say nothing.
    if (role === ignored || flags >= 0x80) return;
    const payload = payloadStart(bytes, at);
    const end = at + packetBytes;
    if (payload >= end) return;
    const start = (flags & 0x40) !== 0;
    if (role === table) {
      this.#programs.feed(pid, bytes, payload, end, start, bytes[at + 3] & 15);
      if (this.#programs.isChanged && this.#programs.takeUp(offset)) this.#rebuild();
    } else {
      if (this.#programs.isChanged && start && this.#programs.takeUp(offset)) this.#rebuild();
      const stream = this.#streams.get(pid);
      if (stream === undefined) return;
      if (start) this.#pesStart(stream, bytes, at, payload, offset);
      else stream.more(bytes, at, payload, end);
    }
  }

  #pesStart(stream: Stream, bytes: Uint8Array, at: number, payload: number, offset: number): void {
    const end = at + packetBytes;
    const scrambled = bytes[at + 3] >= 0x40;
    const pes = scrambled ? undefined : readPes(bytes, payload, end);
    if (pes === undefined && !scrambled) return;
    stream.finish();
    const { codec } = stream;
    const lead = this.#leads.includes(stream);
    // A video PES packet without a time stamp goes on with an access unit.
    if (lead && (pes === undefined || pes.pts >= 0 || stream.kind !== "video")) this.#cut(stream, offset);
    stream.begin(bytes, at, payload, end, pes, offset, lead);
    if (stream.codec !== codec) this.#listCodecs();
  }

  #cut(stream: Stream, offset: number): void {
    let whole = true;
    for (const other of this.#streams.values()) whole &&= other === stream || other.whole;
    if (!whole && ++this.#cutsPassed <= maxCutsPassed) return;
    this.#cutsPassed = 0;
    this.#sink.unit(offset);
  }

  /** A lead's picture (or audio frame): with an entry if a decoder of that stream can start there. */
  #found(stream: Stream, mark: Mark, entry: Entry | undefined): void {
    const size = stream === this.#leads[0] ? stream.pictures?.size : undefined;
    if (size !== undefined && size !== this.#size) {
      this.#size = size;
      Object.assign(this.info, size);
    }
    if (this.#leads.length === 1) {
      if (entry !== undefined) this.#join([{ stream, mark, entry }]);
      return;
    }
    const again = this.#group.findIndex((member) => member.stream === stream);
    if (entry === undefined) {
      if (again < 0) this.#group = [];
      return;
    }
    if (again >= 0) this.#group = [];
    this.#group.push({ stream, mark, entry });
    if (stream === this.#leads[0]) this.#missed++;
    // Video streams whose keyframes do not come together: those of the first one have to do.
    const apart = this.#missed > 2 && stream === this.#leads[0];
    if (this.#group.length < this.#leads.length && !apart) return;
    this.#join(apart ? [{ stream, mark, entry }] : this.#group);
    this.#group = [];
    if (!apart) this.#missed = 0;
  }

  #join(members: readonly { stream: Stream; mark: Mark; entry: Entry }[]): void {
    const { offset } = members[0].mark;
    if (offset <= this.#joined) return;
    const leads = members.filter(({ entry }) => leadInBytes(entry) > 0);
    if (leads.length > 0) {
      const bytes = leads.reduce((sum, { entry }) => sum + leadInBytes(entry), this.#tablePackets.length);
      if (!this.#headerPace.allows(offset, bytes)) return;
      this.#plain = false;
      this.#sink.header(leadHeader(this.#tablePackets, leads, 2 * bytes));
    } else if (!this.#plain) this.#plainHeader();
    this.#joined = offset;
    this.#sink.join(offset, true);
  }

  #plainHeader(): void {
    this.#plain = true;
    const packets = this.#tablePackets;
    this.#sink.header({ start: packets, resume: packets, fixed: "", bytes: packets.length });
  }

  #listCodecs(): void {
    this.info.codecs = [...this.#streams.values()].map((stream) => stream.codec);
  }

  /** After a change of the tables: what is done with each PID's packets, and the new header. */
  #rebuild(): void {
    const oldStreams = this.#streams;
    this.#roles.fill(ignored);
    this.#streams = new Map();
    for (const stream of this.#programs.streams) {
      const old = oldStreams.get(stream.pid);
      const kept =
        old !== undefined && old.kind === stream.kind && (old.codec === stream.codec || old.codec === "mp3");
      this.#roles[stream.pid] = elementary;
      this.#streams.set(
        stream.pid,
        kept ? old : new Stream(stream, (found, mark, entry) => this.#found(found, mark, entry)),
      );
    }
    for (const pid of this.#programs.pids) this.#roles[pid] = table;

    const streams = [...this.#streams.values()];
    const videos = streams.filter((stream) => stream.kind === "video");
    const audio = streams.find((stream) => stream.kind === "audio") ?? streams[0];
    this.#leads = videos.length > 0 || audio === undefined ? videos : [audio];
    this.#group = [];
    this.#missed = 0;
    this.#cutsPassed = 0;
    this.#listCodecs();
    const packets = this.#programs.packets();
    if (packets === undefined) return;
    this.#tablePackets = packets;
    this.#plainHeader();
  }
}

/** The header of a join with keyframes that lack something. */
function leadHeader(
  tables: Uint8Array,
  members: readonly { stream: Stream; mark: Mark; entry: Entry }[],
  bytes: number,
): Header {
  const leads = members.map(({ stream: { pid }, mark, entry }) => ({ pid, mark, entry }));
  return new LazyHeader(bytes, "", () => {
    const made = leads.map(({ pid, mark, entry }) => leadIn(pid, mark, entry));
    return {
      start: concat([tables, ...made.map(({ start }) => start)]),
      resume: concat([tables, ...made.map(({ resume }) => resume)]),
    };
  });
}
