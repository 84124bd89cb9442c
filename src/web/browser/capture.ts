// What a tab can broadcast: a screen, a camera, a microphone. And what the browser's recorder can make of it.

export type SourceKind = "screen" | "camera" | "microphone";

/** Why this page can't capture anything at all; undefined if it can. */
export function captureProblem(): string | undefined {
  if (!isSecureContext)
    return "Browsers only allow screen, camera and microphone over HTTPS or on localhost. Open this page with https:// instead.";
  if (navigator.mediaDevices === undefined || typeof MediaRecorder === "undefined")
    return "This browser can’t record. Use another one, or ffmpeg or OBS.";
  return undefined;
}

/** Whether the kind of source can be had here: phones share no screen. */
export function canCapture(kind: SourceKind): boolean {
  return kind !== "screen" || typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** Asks the person for it. Rejects with the browser's error if there is none, or they refuse. */
export async function capture(kind: SourceKind): Promise<MediaStream> {
  const { mediaDevices } = navigator;
  if (kind === "screen")
    return await mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: sound });
  if (kind === "microphone") return await mediaDevices.getUserMedia({ audio: sound });
  const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  return await mediaDevices.getUserMedia({ video, audio: true });
}

/** What a refusal to capture means. */
export function captureError(error: unknown, kind: SourceKind): string {
  const names: Readonly<Record<string, string>> = {
    NotAllowedError: `The browser blocked access to the ${kind}. Allow it and try again.`,
    NotFoundError: `No ${kind} found.`,
    NotReadableError: `The ${kind} is in use by another program.`,
  };
  return names[(error as DOMException).name] ?? `Can’t use the ${kind}: ${(error as Error).message}`;
}

/** In the order of preference: WebM goes out in small pieces, MP4 where there is nothing else. */
const videoTypes = [
  "video/webm;codecs=vp9,opus",
  "video/webm;codecs=vp8,opus",
  "video/webm",
  "video/mp4;codecs=avc1.42E01F,mp4a.40.2",
  "video/mp4",
];
const audioTypes = ["audio/webm;codecs=opus", "audio/webm", "audio/mp4;codecs=mp4a.40.2", "audio/mp4"];

/** What the recorder can make; undefined if nothing that can be broadcast. */
export function recordingType(kind: "video" | "audio"): string | undefined {
  return (kind === "video" ? videoTypes : audioTypes).find((type) => MediaRecorder.isTypeSupported(type));
}

/** A keyframe at least so often, so that watchers can join. */
const keyframeMs = 1500;
/** How much is gathered before it goes out. Fragments of MP4 begin with a keyframe each: shorter ones only cost. */
const sliceMs = { webm: 100, mp4: 1000 } as const;

/** Starts a recorder whose pieces, in order, are one stream with one header. */
export function record(
  stream: MediaStream,
  type: string,
  bitrate: number,
  took: (piece: Blob) => void,
): MediaRecorder {
  const options = type.startsWith("video")
    ? { videoBitsPerSecond: bitrate, audioBitsPerSecond: 96_000, videoKeyFrameIntervalDuration: keyframeMs }
    : { audioBitsPerSecond: bitrate };
  const recorder = new MediaRecorder(stream, { mimeType: type, ...options });
  recorder.addEventListener("dataavailable", ({ data }) => {
    if (data.size > 0) took(data);
  });
  recorder.start(type.includes("webm") ? sliceMs.webm : sliceMs.mp4);
  return recorder;
}
