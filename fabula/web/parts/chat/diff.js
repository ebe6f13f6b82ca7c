// Which words of two texts differ. Knows no screen.
// @ts-check

/** @typedef {{text: string, same: boolean}} Piece */

const MOST_CELLS = 4_000_000; // of the table: longer middles are told as different as a whole

const words = new Intl.Segmenter(undefined, { granularity: "word" });

/** Words, and what stands between them; Chinese too. @param {string} text */
const split = (text) => [...words.segment(text)].map(({ segment }) => segment);

/** Both texts in pieces that are the same or differ. @param {string} left @param {string} right @returns {[Piece[], Piece[]]} */
export function differences(left, right) {
  const [one, other] = [split(left), split(right)];
  let start = 0;
  while (start < one.length && start < other.length && one[start] === other[start]) start += 1;
  let end = 0;
  while (end < one.length - start && end < other.length - start && one.at(-1 - end) === other.at(-1 - end)) end += 1;
  const middles = /** @type {const} */ ([one.slice(start, one.length - end), other.slice(start, other.length - end)]);
  const kept = common(...middles);
  return /** @type {any} */ ([one, other].map((whole, side) => {
    const marks = [...Array(start).fill(true), ...middles[side].map((_, index) => kept[side].has(index)), ...Array(end).fill(true)];
    return joined(whole, marks);
  }));
}

/** @param {string[]} list @param {boolean[]} marks */
function joined(list, marks) {
  const pieces = /** @type {Piece[]} */ ([]);
  list.forEach((text, index) => {
    const last = pieces.at(-1);
    if (last?.same === marks[index]) last.text += text;
    else pieces.push({ text, same: marks[index] });
  });
  return pieces;
}

/** The places of the longest common sequence in each list. @param {string[]} one @param {string[]} other @returns {[Set<number>, Set<number>]} */
function common(one, other) {
  const wide = other.length + 1;
  if (one.length * wide > MOST_CELLS) return [new Set(), new Set()];
  const table = new Uint16Array((one.length + 1) * wide);
  for (let i = one.length - 1; i >= 0; i -= 1)
    for (let j = other.length - 1; j >= 0; j -= 1)
      table[i * wide + j] = one[i] === other[j] ? table[(i + 1) * wide + j + 1] + 1 : Math.max(table[(i + 1) * wide + j], table[i * wide + j + 1]);
  const found = /** @type {[Set<number>, Set<number>]} */ ([new Set(), new Set()]);
  for (let i = 0, j = 0; i < one.length && j < other.length; ) {
    if (one[i] === other[j]) found[0].add(i++), found[1].add(j++);
    else if (table[(i + 1) * wide + j] >= table[i * wide + j + 1]) i += 1;
    else j += 1;
  }
  return found;
}
