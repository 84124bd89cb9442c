// What is sound alone is played too: through Media Source where the browser takes it, else by the browser's own player.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { listen } from "./clockpicture.ts";
import { canShow, plays, Stage } from "./pages.ts";
import { deadlineMs, until } from "./program.ts";

const timeout = 3 * deadlineMs;

const outputs = {
  adts: ["-c:a", "aac", "-f", "adts"],
  mp3: ["-c:a", "libmp3lame", "-f", "mp3"],
  ogg: ["-c:a", "libopus", "-f", "ogg"],
  vorbis: ["-c:a", "libvorbis", "-f", "ogg"],
  flac: ["-c:a", "flac", "-f", "flac"],
  wav: ["-c:a", "pcm_s16le", "-f", "wav"],
  mpegts: ["-c:a", "aac", "-f", "mpegts"],
  fmp4: ["-c:a", "aac", "-f", "mp4", "-movflags", "empty_moov+default_base_moof", "-frag_duration", "300000"],
  webm: ["-c:a", "libopus", "-f", "webm", "-live", "1"],
} as const;

describe.skipIf(!canShow)("the player", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start();
  }, timeout);
  afterAll(async () => await stage.stop(), timeout);

  test.each(Object.entries(outputs))(
    "plays sound alone in %s",
    async (name, output) => {
      const tone = ["-re", "-f", "lavfi", "-i", "sine=f=440:r=48000"];
      const encoder = Bun.spawn(["ffmpeg", "-v", "error", ...tone, ...output, "-flush_packets", "1", "-"], {
        stdout: "pipe",
      });
      const client = stage.server.broadcast({ fserv_arg_channel: name });
      const pump = (async () => {
        for await (const bytes of encoder.stdout) await client.send(bytes);
        await client.finish();
      })();
      await until("it is known", () => stage.server.run.stderr.includes(`fier/${name}: `));
      const page = await stage.open(`/play/fier/${name}`);
      await plays(page);
      const heard = await page.until<{ hertz: number; level: number }>(
        `(async () => { const heard = await ${listen}; return heard.level > 120 && heard; })()`,
      );
      expect(Math.abs(heard.hertz - 440)).toBeLessThan(12);
      expect(page.complaints).toEqual([]);
      await page.close();
      encoder.kill();
      await pump;
      await client.exit();
    },
    timeout,
  );
});
