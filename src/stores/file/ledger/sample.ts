/** Up to this number the rows are gone through to take some of them: 40 us. */
const FEW = 4096;

/**
 * Some of many rows, other ones each time: evenly spaced, or all where they are no more than that. Of very many it gives
 * rows at random, which may be free, or of others.
 * @param size how many rows there are
 * @param end the numbers of rows are below this
 */
export function* spaced(rows: Iterable<number>, size: number, most: number, end: number): Generator<number, void> {
  if (size > FEW) {
    for (let i = 0; i < most; i++) yield Math.floor(Math.random() * end);
    return;
  }
  const step = Math.max(1, size / most);
  let due = Math.random() * (step - 1);
  let at = 0;
  for (const row of rows) {
    if (at++ < due) continue;
    yield row;
    due += step;
  }
}
