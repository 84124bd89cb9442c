// What is done for many, a part of them at a time, so that others have their turns in between.

/** So many are done at a stretch. */
const stretchSize = 256;

/** Does something for all, some at a time. `between` may change the list: what was in it when this began has its turn once. */
export function inStretches<T>(
  all: readonly T[],
  act: (some: readonly T[]) => void,
  between: () => void,
): void {
  if (all.length <= stretchSize) {
    act(all);
    return;
  }
  const list = [...all];
  for (let from = 0; from < list.length; from += stretchSize) {
    if (from > 0) between();
    act(list.slice(from, from + stretchSize));
  }
}
