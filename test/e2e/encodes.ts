// The streams that the matrix is run over: what people feed into a relay, made by ffmpeg. Each is encoded twice, as an
// encoder that is started anew encodes something else with the same settings.

export interface Encode {
  readonly name: string;
  readonly container: string;
  /** ffmpeg's options behind its inputs: video is the first, sound the second. */
  readonly options: string;
  readonly seconds: number;
  /** A file is made with these options first, and then copied with `options`. */
  readonly recorded?: string;
  /** How long a decoder shows nothing from a start on the spot either: until the whole picture was refreshed. Seconds. */
  readonly refreshSeconds?: number;
  /** No player goes on with another of these behind it, so that its watchers are ended at a return. */
  readonly endsAtReturn?: boolean;
  /** Of H.264 only: parameter sets are left out but for the first. */
  readonly headersOnce?: boolean;
}

const x264 = "-c:v libx264 -preset veryfast -b:v 700k -pix_fmt yuv420p";
const x265 = "-c:v libx265 -preset ultrafast -b:v 700k -pix_fmt yuv420p -x265-params log-level=error";
const aac = "-c:a aac -b:a 96k";
const short = 32;
const long = 60;

function encode(container: string, name: string, options: string, more: Partial<Encode> = {}): Encode {
  return { name: `${container}-${name}`, container, options, seconds: short, ...more };
}

const fragmented = "-f mp4 -movflags +empty_moov+default_base_moof";
const recorded = `${x264} -g 40 -bf 2 ${aac} -f matroska`;

export const encodes: readonly Encode[] = [
  encode("mpegts", "x264", `${x264} -g 50 ${aac} -f mpegts`),
  encode("mpegts", "x264-slow-gop", `${x264} -g 250 -bf 3 ${aac} -f mpegts`, { seconds: long }),
  encode("mpegts", "x264-zerolatency", `${x264} -tune zerolatency -g 25 -an -f mpegts`),
  encode("mpegts", "x264-open-gop", `${x264} -g 40 -bf 3 -x264-params open-gop=1 -an -f mpegts`),
  encode("mpegts", "x264-intra-refresh", `${x264} -g 40 -x264-params intra-refresh=1 ${aac} -f mpegts`, {
    refreshSeconds: 1.6,
  }),
  encode("mpegts", "x264-ac3", `${x264} -g 25 -c:a ac3 -b:a 128k -f mpegts`),
  encode("mpegts", "x265", `${x265} -g 50 ${aac} -f mpegts`),
  encode("mpegts", "x265-open-gop", `${x265}:open-gop=1:bframes=3 -g 40 ${aac} -f mpegts`),
  encode("mpegts", "mpeg2", "-c:v mpeg2video -b:v 900k -g 15 -bf 2 -c:a mp2 -b:a 128k -f mpegts"),
  encode("mpegts", "copy", "-c copy -f mpegts", { recorded }),
  encode("mpegts", "aac", "-vn -c:a aac -b:a 320k -f mpegts", { seconds: long }),
  encode("h264", "x264", `${x264} -g 50 -an -f h264`),
  encode("h264", "x264-slow-gop", `${x264} -g 250 -bf 3 -an -f h264`, { seconds: long }),
  encode("h264", "x264-open-gop", `${x264} -g 40 -bf 3 -x264-params open-gop=1 -an -f h264`),
  encode("h264", "x264-intra-refresh", `${x264} -g 40 -x264-params intra-refresh=1 -an -f h264`, {
    refreshSeconds: 1.6,
  }),
  encode("h264", "x264-slices", `${x264} -g 50 -slices 4 -aud 1 -an -f h264`),
  encode("h264", "headers-once", `${x264} -g 40 -an -f h264`, { headersOnce: true }),
  encode("h264", "copy", "-c:v copy -an -f h264", { recorded }),
  encode("hevc", "x265", `${x265} -g 50 -an -f hevc`),
  encode("hevc", "x265-slow-gop", `${x265}:bframes=4 -g 250 -an -f hevc`, { seconds: long }),
  encode("hevc", "x265-open-gop", `${x265}:open-gop=1:bframes=3 -g 40 -an -f hevc`),
  encode("matroska", "x264", `${x264} -g 50 ${aac} -f matroska`),
  encode("matroska", "x264-slow-gop", `${x264} -g 250 -bf 3 ${aac} -f matroska`, { seconds: long }),
  encode("matroska", "x264-live", `${x264} -g 50 ${aac} -f matroska -live 1`),
  encode("matroska", "x264-small-clusters", `${x264} -g 50 ${aac} -f matroska -cluster_time_limit 100`),
  encode("matroska", "x264-open-gop", `${x264} -g 40 -bf 3 -x264-params open-gop=1 -an -f matroska`),
  encode("matroska", "x265", `${x265} -g 50 -c:a flac -f matroska`),
  encode("matroska", "copy", "-c copy -f matroska", { recorded }),
  encode("matroska", "flac", "-vn -c:a flac -f matroska", { seconds: long }),
  encode(
    "webm",
    "vp8-vorbis",
    "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 700k -g 50 -c:a libvorbis -f webm",
  ),
  encode(
    "webm",
    "vp9-opus",
    "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 700k -g 50 -c:a libopus -f webm",
  ),
  encode(
    "webm",
    "vp8-altref",
    "-c:v libvpx -deadline good -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 16 -b:v 700k -g 90 -an -f webm",
  ),
  encode("webm", "av1", "-c:v libsvtav1 -preset 12 -b:v 500k -g 50 -an -f webm"),
  encode("webm", "opus", "-vn -c:a libopus -b:a 256k -f webm", { seconds: long }),
  encode("fmp4", "x264", `${x264} -g 50 ${aac} ${fragmented}+frag_keyframe`),
  encode("fmp4", "x264-slow-gop", `${x264} -g 250 -bf 3 ${aac} ${fragmented} -frag_duration 500000`, {
    seconds: long,
  }),
  encode("fmp4", "cmaf", `${x264} -g 50 -an ${fragmented}+cmaf -frag_duration 200000`),
  encode("fmp4", "every-frame", `${x264} -tune zerolatency -g 50 ${aac} ${fragmented}+frag_every_frame`),
  encode(
    "fmp4",
    "delay-moov",
    `${x264} -g 50 -bf 2 ${aac} -f mp4 -movflags +delay_moov+default_base_moof+frag_keyframe`,
  ),
  encode(
    "fmp4",
    "open-gop",
    `${x264} -g 40 -bf 3 -x264-params open-gop=1 ${aac} ${fragmented}+frag_keyframe`,
  ),
  encode("fmp4", "x265", `${x265} -g 50 ${aac} ${fragmented}+frag_keyframe`),
  encode("fmp4", "copy", `-c copy ${fragmented}+frag_keyframe`, { recorded }),
  encode("fmp4", "aac", `-vn -c:a aac -b:a 320k ${fragmented} -frag_duration 500000`, { seconds: long }),
  encode("flv", "x264", `${x264} -g 50 ${aac} -f flv`),
  encode("flv", "x264-slow-gop", `${x264} -g 250 -bf 3 ${aac} -f flv`, { seconds: long }),
  encode("flv", "x264-open-gop", `${x264} -g 40 -bf 3 -x264-params open-gop=1 -an -f flv`),
  encode("flv", "h263-mp3", "-c:v flv1 -b:v 900k -g 50 -c:a libmp3lame -ar 44100 -f flv"),
  encode("flv", "copy", "-c copy -f flv", { recorded }),
  encode("flv", "aac", "-vn -c:a aac -b:a 320k -f flv", { seconds: long }),
  encode("ogg", "vorbis", "-vn -c:a libvorbis -q:a 9 -f ogg", { seconds: long }),
  encode("ogg", "opus", "-vn -c:a libopus -b:a 256k -f ogg", { seconds: long }),
  encode("ogg", "flac", "-vn -c:a flac -f ogg", { seconds: long }),
  encode("ogg", "theora", "-c:v libtheora -b:v 700k -g 50 -an -f ogg", { endsAtReturn: true }),
  encode("ogg", "theora-vorbis", "-c:v libtheora -b:v 700k -g 50 -c:a libvorbis -f ogg", {
    endsAtReturn: true,
  }),
  encode("adts", "aac", "-vn -c:a aac -b:a 320k -f adts", { seconds: long }),
  encode("mp3", "mp3", "-vn -c:a libmp3lame -b:a 320k -f mp3", { seconds: long }),
  encode("mp3", "vbr-no-id3", "-vn -c:a libmp3lame -q:a 0 -id3v2_version 0 -write_xing 0 -f mp3", {
    seconds: long,
  }),
];

/** Makes a stream; `take` 2 is of something else than 1. */
export async function make(encode: Encode, take: 1 | 2, seconds: number): Promise<Uint8Array> {
  const picture = take === 1 ? "noise=alls=12:allf=t" : "negate,noise=alls=12:allf=t";
  const tone = `0.4*sin(${take === 1 ? 440 : 660}*2*PI*t)+0.1*random(0)`;
  const video = ["-f", "lavfi", "-i", `testsrc2=size=320x180:rate=25,${picture}`];
  const sound = ["-f", "lavfi", "-i", `aevalsrc=${tone}|${tone}:s=44100`];
  const { recorded, options } = encode;
  let input = [...video, ...sound, "-t", String(seconds)];
  let file: Uint8Array | undefined;
  if (recorded !== undefined) {
    file = await ffmpeg([...input, ...recorded.split(" ")]);
    input = ["-i", "pipe:0"];
  }
  const stream = await ffmpeg([...input, ...options.split(" ")], file);
  return encode.headersOnce === true ? withHeadersOnce(stream) : stream;
}

async function ffmpeg(options: readonly string[], input?: Uint8Array): Promise<Uint8Array> {
  const process = Bun.spawn(["ffmpeg", "-v", "error", ...options, "pipe:1"], {
    stdin: input ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stream, errors, status] = await Promise.all([
    process.stdout.bytes(),
    process.stderr.text(),
    process.exited,
  ]);
  if (status !== 0) throw new Error(`ffmpeg ${options.join(" ")}: ${errors}`);
  return stream;
}

/** An H.264 stream in Annex B without its parameter sets (NAL units of types 7 and 8) but for those at its start. */
function withHeadersOnce(stream: Uint8Array): Uint8Array {
  const starts: number[] = [];
  for (let at = stream.indexOf(1); at >= 0; at = stream.indexOf(1, at + 1)) {
    if (at >= 2 && stream[at - 1] === 0 && stream[at - 2] === 0) starts.push(at - 2);
  }
  const units = starts.map((start, index) => stream.subarray(start, starts[index + 1]));
  const body = units.findIndex((unit) => (unit[3] & 31) === 5);
  return Buffer.concat(units.filter((unit, index) => index < body || ![7, 8].includes(unit[3] & 31)));
}
