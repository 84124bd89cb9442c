// Which sink plays a container in this browser. Video in containers that browsers don't know goes through mpegts.js, what they
// know through Media Source, and sound that only their own player takes goes to that, by a request of its own.

import type { StreamInfo } from "./feed.ts";
import { HeadedSink, readMatroska, readMp4 } from "./headedsink.ts";
import { canPlay, MediaSourceSink } from "./mediasource.ts";
import type { Sink, SinkListener } from "./sink.ts";
import { Transmuxer } from "./transmuxer.ts";
import { isSound } from "./words.ts";

/** "native": the browser's own player is to be given the address of the stream. */
export type Way =
  | ((media: HTMLMediaElement, listener: SinkListener) => Sink)
  | "native"
  | { readonly unplayable: string | undefined };

/** What a browser is asked for each codec before a stream's own codec string is known. */
const examples: Readonly<Record<string, string>> = {
  h264: 'video/mp4; codecs="avc1.42E01E"',
  hevc: 'video/mp4; codecs="hvc1.1.6.L93.B0"',
  av1: 'video/mp4; codecs="av01.0.04M.08"',
  vp9: 'video/mp4; codecs="vp09.00.10.08"',
  aac: 'audio/mp4; codecs="mp4a.40.2"',
  mp3: "audio/mpeg",
  opus: 'audio/mp4; codecs="opus"',
  ac3: 'audio/mp4; codecs="ac-3"',
  eac3: 'audio/mp4; codecs="ec-3"',
};

/** How to play that stream here. */
export function wayToPlay(info: StreamInfo): Way {
  switch (info.container) {
    case "mpegts":
    case "flv":
      return transmuxed(info.container, info.codecs);
    case "fmp4":
      return (media, listener) => new HeadedSink(media, readMp4, listener);
    case "webm":
    case "matroska":
      return (media, listener) => new HeadedSink(media, readMatroska, listener);
    case "adts":
      return frames("audio/aac", info);
    case "mp3":
      return frames("audio/mpeg", info);
    case "ogg":
    case "flac":
    case "wav":
      return native(info);
    default:
      return { unplayable: undefined };
  }
}

function transmuxed(type: "mpegts" | "flv", codecs: readonly string[]): Way {
  const unplayable = codecs.find((codec) => !canPlay(examples[codec] ?? ""));
  if (unplayable !== undefined) return { unplayable };
  // An FLV header may claim a track that never comes, for which a player would wait.
  const isKnown = type === "flv" && codecs.length > 0;
  const hasSound = isKnown ? codecs.some(isSound) : undefined;
  const hasVideo = isKnown ? !codecs.every(isSound) : undefined;
  return (media, listener) => new Transmuxer(media, { type, hasAudio: hasSound, hasVideo }, listener);
}

/** Sound without a header of its own: each frame tells what it is. */
function frames(type: string, info: StreamInfo): Way {
  if (!canPlay(type)) return native(info);
  return (media, listener) => {
    listener.hasSound(true);
    return new MediaSourceSink(media, type, listener);
  };
}

function native({ media_type, codecs }: StreamInfo): Way {
  const type = media_type.split(";")[0];
  return document.createElement("video").canPlayType(type) === "" ? { unplayable: codecs[0] } : "native";
}
