// Cut points of a stream that is no known container: it can be cut anywhere.

import { noHeader } from "../media/detector.ts";
import type { CutPlaces } from "./cutpoints.ts";
import type { Join } from "./joins.ts";

export class OpaqueCutPoints implements CutPlaces {
  readonly joinDistance = 0;
  readonly heldBytes = 0;

  newestJoin(head: number): Join {
    return { offset: head, header: noHeader };
  }

  joinAtOrAfter(offset: number): Join {
    return { offset, header: noHeader };
  }

  joinAtOrBefore(offset: number): Join {
    return { offset, header: noHeader };
  }

  unitEnd(offset: number): number {
    return offset;
  }

  unitEndBefore(offset: number): number {
    return offset;
  }

  forget(): void {}
}
