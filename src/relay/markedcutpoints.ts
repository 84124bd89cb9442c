// Cut points of a container, as its detector reports them. None before it has reported any.

import type { Header } from "../media/detector.ts";
import type { CutPlaces } from "./cutpoints.ts";
import { type Join, Joins } from "./joins.ts";
import { Marks } from "./marks.ts";

/** At most so many unit ends are remembered; with more, those closest together are forgotten. */
const maxUnits = 16_384;
/** What a unit end takes, bytes. */
const unitBytes = 16;

export class MarkedCutPoints implements CutPlaces {
  readonly #joins = new Joins();
  readonly #units = new Marks<undefined>(maxUnits);

  get joinDistance(): number {
    return this.#joins.distance;
  }

  get heldBytes(): number {
    return this.#joins.heldBytes + this.#units.size * unitBytes;
  }

  addJoin(offset: number, header: Header): void {
    this.#joins.push({ offset, header });
  }

  addUnit(offset: number): void {
    this.#units.push(offset, undefined);
  }

  newestJoin(): Join | undefined {
    return this.#joins.newest;
  }

  joinAtOrAfter(offset: number): Join | undefined {
    return this.#joins.atOrAfter(offset);
  }

  joinAtOrBefore(offset: number): Join | undefined {
    return this.#joins.atOrBefore(offset);
  }

  unitEnd(offset: number): number | undefined {
    return this.#units.offset(this.#units.indexAtOrAfter(offset));
  }

  unitEndBefore(offset: number): number | undefined {
    return this.#units.offset(this.#units.indexAtOrBefore(offset));
  }

  forget(tail: number): void {
    this.#joins.forget(tail);
    this.#units.dropBefore(tail);
  }
}
