// The elements of a Matroska stream's header as they come: the EBML head, Info and Tracks, read and kept for joiners.

import { type Header, noHeader } from "../detector.ts";
import { fileHeader } from "./header.ts";
import { ebmlId, infoId } from "./ids.ts";
import { readDocType, readTimestampScale, readTracks, type Tracks } from "./tracks.ts";

/** Nanoseconds a tick where it is not said (RFC 9559, section 5.1.2.9). */
const usualTimestampScale = 1_000_000;

/** The newest of each. */
export class FileHeader {
  container: "matroska" | "webm" = "matroska";
  tracks: Tracks | undefined;
  /** Nanoseconds a tick of all timestamps. */
  timestampScale = usualTimestampScale;
  #ebml: Uint8Array | undefined;
  #info: Uint8Array | undefined;
  #tracks: Uint8Array | undefined;

  /** Bytes of the other elements in a header with a new element `id`. */
  bytesBeside(id: number): number {
    if (id === ebmlId) return 0;
    const other = id === infoId ? this.#tracks : this.#info;
    return (this.#ebml?.length ?? 0) + (other?.length ?? 0);
  }

  /** Bytes of all. */
  get bytes(): number {
    return (this.#ebml?.length ?? 0) + (this.#info?.length ?? 0) + (this.#tracks?.length ?? 0);
  }

  /** Takes a whole EBML head, Info or Tracks, `id`. False for Tracks that are not to be read. */
  keep(id: number, element: Uint8Array): boolean {
    if (id === ebmlId) {
      this.#ebml = element;
      this.#info = undefined;
      this.#tracks = undefined;
      this.tracks = undefined;
      this.timestampScale = usualTimestampScale;
      this.container = readDocType(element) === "webm" ? "webm" : "matroska";
    } else if (id === infoId) {
      this.#info = element;
      this.timestampScale = readTimestampScale(element);
    } else {
      this.#tracks = element;
      this.tracks = readTracks(element);
      return this.tracks !== undefined;
    }
    return true;
  }

  /** The header of joins at a cluster; `noHeader` while not all has come. */
  made(): Header {
    if (this.#ebml === undefined || this.#tracks === undefined || this.tracks === undefined) return noHeader;
    const fixed = `${this.container} ${this.timestampScale} ${this.tracks.fixed}`;
    return fileHeader(this.#ebml, this.#info, this.#tracks, fixed);
  }
}
