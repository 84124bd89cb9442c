// Whether an fstream server that was dialled with TLS speaks plain fstream at that port. Such a server takes a TLS handshake for the
// beginning of a preamble (protocol/README.md), and waits for the rest of it: neither side would say a word until one gives up.
// What is asked has no secret in it: the end of a stream that there never was.

import { ReplyDecoder } from "../protocol/reply.ts";
import { encodeRequest } from "../protocol/request.ts";

/** Time to connect and to be answered, milliseconds. */
const answerMs = 3000;

/** Whether a frame of the protocol comes back from there. Never rejects. */
export async function speaksPlain(hostname: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), answerMs);
  const decoder = new ReplyDecoder();
  const question = encodeRequest("end", [
    ["id", "none"],
    ["reply", "1"],
  ]);
  const connecting = Bun.connect({
    hostname,
    port,
    socket: {
      open: (socket) => void socket.write(question),
      data: (_, bytes) => {
        const { type } = decoder.feed(bytes);
        if (type !== "more") resolve(type === "reply");
      },
      close: () => resolve(false),
      error: () => resolve(false),
    },
  });
  connecting.catch(() => resolve(false));
  const answer = await promise;
  clearTimeout(timer);
  void connecting.then((socket) => socket.terminate()).catch(() => undefined);
  return answer;
}
