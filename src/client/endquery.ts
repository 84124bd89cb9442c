// How a watched stream ended, as its server has it (protocol/README.md, "end"): asked on a connection of its own once the
// stream's is over. The end of a connection alone does not tell whether all has come: anything on the path can forge one,
// and a server that was killed leaves a FIN.

import { type Code, FstreamError } from "../errors.ts";
import { encodeRequest } from "../protocol/request.ts";
import type { ServerConnection } from "./connection.ts";
import { isRefused } from "./dial.ts";
import { FirstReply } from "./firstreply.ts";

/** Time to connect and to be answered, milliseconds. */
const answerMs = 5000;
/** A server whose watchers all end, and ask, at once may have no room for some at first: how often each asks. */
const tries = 4;
/** The pause before the second try, milliseconds, with jitter; each after that is three times as long. */
const firstPauseMs = 100;

export interface StreamEnd {
  /** Bytes that the server has written. */
  readonly bytes: number;
  /** Bytes of the stream that it has left out. */
  readonly skipped: number;
  /** `ended`, or the code of an error. */
  readonly reason: string;
}

/** The end of the stream with this id; rejects with FstreamError if there is no answer, or another one. */
export async function askEnd(dial: () => Promise<ServerConnection>, id: string): Promise<StreamEnd> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  let over = false;
  let connection: ServerConnection | undefined;
  const timer = setTimeout(() => {
    over = true;
    connection?.close();
    reject(new FstreamError("disconnected", `no answer within ${answerMs / 1000} s`));
  }, answerMs);
  const ask = async () => {
    connection = await dial();
    try {
      if (over) throw connection.lost();
      return await answer(connection, id);
    } finally {
      connection.close();
    }
  };
  const askAgain = async () => {
    for (let number = 1, pauseMs = firstPauseMs; ; number++, pauseMs *= 3) {
      try {
        return await ask();
      } catch (error) {
        if (over || number === tries || !isLost(error)) throw error;
      }
      await Bun.sleep(pauseMs * (0.5 + Math.random() / 2));
    }
  };
  try {
    return await Promise.race([askAgain(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the question may not have been heard: where nothing listens, or there was an answer, asking again is no use. */
function isLost(error: unknown): boolean {
  return error instanceof FstreamError && error.code === "disconnected" && !isRefused(error);
}

async function answer(connection: ServerConnection, id: string): Promise<StreamEnd> {
  await connection.write(
    encodeRequest("end", [
      ["id", id],
      ["reply", "1"],
    ]),
  );
  const decoder = new FirstReply(connection.place, "end");
  for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) {
    const result = decoder.feed(bytes);
    if (result.type === "more") continue;
    if (result.type === "stream") throw senseless();
    if (result.reply.type === "error") throw result.reply.error;
    return endOf(result.reply.fields);
  }
  throw new FstreamError("disconnected", `${connection.place} did not answer`);
}

function endOf(fields: ReadonlyMap<string, string>): StreamEnd {
  const { bytes = "", skipped = "", reason = "" } = Object.fromEntries(fields);
  const number = /^\d{1,15}$/;
  if (!number.test(bytes) || !number.test(skipped) || !/^[a-z_]{1,32}$/.test(reason)) {
    throw senseless();
  }
  return { bytes: Number(bytes), skipped: Number(skipped), reason };
}

function senseless(): FstreamError {
  return new FstreamError("failed", "invalid answer");
}

/** What is missing of a stream that was cut short. */
export interface Missing {
  readonly why: string;
  /** Whose exit status it is. */
  readonly code: Code;
}

/**
 * What became of the stream, by its code. What may go on when asked for again is a stream that broke: its broadcaster may
 * return (`not_live`), the watcher log in again (`unauthorized`).
 */
const reasons: Readonly<Record<string, Missing>> = {
  slow: { why: "this client was too slow", code: "slow" },
  unauthorized: { why: "the login has expired", code: "disconnected" },
  forbidden: { why: "the next broadcast has a different channel password", code: "forbidden" },
  shutting_down: { why: "the server is shutting down", code: "shutting_down" },
  not_live: { why: "the broadcast was interrupted and did not come back", code: "disconnected" },
  limit: { why: "the broadcast exceeded a limit of the server", code: "limit" },
  busy: { why: "the server is busy", code: "busy" },
  internal: { why: "internal server error", code: "disconnected" },
};

/** Why a stream that ended so is not all that there was, if `got` bytes of it came; undefined if it is. Pure. */
export function missing({ bytes, reason }: StreamEnd, got: number): Missing | undefined {
  if (reason !== "ended")
    return Object.hasOwn(reasons, reason)
      ? reasons[reason]
      : { why: `the server says: ${reason}`, code: "disconnected" };
  if (bytes === got) return undefined;
  return { why: `the server sent ${bytes} bytes, but ${got} arrived`, code: "disconnected" };
}
