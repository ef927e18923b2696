/** For programs: whole numbers from 0 up to a limit, drawn from a seed. */
export function newRandom(seed) {
  let state = Number(seed) * 2_654_435_761 + 1;
  return (limit) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) % limit;
  };
}
