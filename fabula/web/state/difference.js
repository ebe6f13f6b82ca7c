// Where two texts differ, and how two changes of one text become one. Places are JavaScript's (UTF-16), the studio's are
// characters (code points): both ways. PURE.
// @ts-check

/** In a text: `inserted` in the place of `removed` units from `start`. @typedef {{start: number, removed: number, inserted: string}} Difference */

const STRIDE = 4096; // compared at a time: browsers do that fast
const HIGH = /[\uD800-\uDBFF]/;
const LOW = /[\uDC00-\uDFFF]/;

/** The middle in which two texts differ; never half a character. @param {string} before @param {string} after @returns {Difference} */
export function difference(before, after) {
  const limit = Math.min(before.length, after.length);
  let start = 0;
  while (start + STRIDE <= limit && before.slice(start, start + STRIDE) === after.slice(start, start + STRIDE)) start += STRIDE;
  while (start < limit && before.charCodeAt(start) === after.charCodeAt(start)) start += 1;
  if (start > 0 && HIGH.test(before[start - 1])) start -= 1;
  const room = limit - start;
  let same = 0;
  const tail = (/** @type {string} */ text) => text.slice(text.length - same - STRIDE, text.length - same);
  while (same + STRIDE <= room && tail(before) === tail(after)) same += STRIDE;
  while (same < room && before.charCodeAt(before.length - 1 - same) === after.charCodeAt(after.length - 1 - same)) same += 1;
  if (same > 0 && LOW.test(before[before.length - same])) same -= 1;
  return { start, removed: before.length - start - same, inserted: after.slice(start, after.length - same) };
}

/** @param {string} text @param {Difference} change */
export const applied = (text, { start, removed, inserted }) => text.slice(0, start) + inserted + text.slice(start + removed);

/** @param {Difference} change */
export const isNothing = ({ removed, inserted }) => !removed && !inserted;

/**
 * One text with what two people changed in it, each from the same beginning; null where they changed the same place.
 * Where one typed on what the other has begun, it is the longer one.
 * @param {string} base @param {string} mine @param {string} theirs
 */
export function merged(base, mine, theirs) {
  if (mine === theirs || theirs === base) return mine;
  if (mine === base) return theirs;
  const own = difference(base, mine);
  const other = difference(base, theirs);
  const longer = typedOn(own, other);
  if (longer) return applied(base, longer);
  const [first, second] = own.start <= other.start ? [own, other] : [other, own];
  if (first.start + first.removed > second.start) return null;
  if (first.start === second.start) return null;
  return applied(applied(base, second), first);
}

/** @param {Difference} one @param {Difference} other @returns {Difference | null} */
function typedOn(one, other) {
  if (one.start !== other.start || one.removed !== other.removed) return null;
  if (one.inserted.startsWith(other.inserted)) return one;
  return other.inserted.startsWith(one.inserted) ? other : null;
}

/** Where a place has moved to. @param {number} place @param {Difference} change */
export function moved(place, { start, removed, inserted }) {
  if (place <= start) return place;
  return place >= start + removed ? place + inserted.length - removed : start + inserted.length;
}

// ── places ──────────────────────────────────────────────────────────────────────────────────────────

/** How many characters stand before a place. @param {string} text @param {number} place */
export function pointsUpTo(text, place) {
  let points = 0;
  for (let at = 0; at < place; at += 1) if (!isSecondHalf(text, at)) points += 1;
  return points;
}

/** The place behind so many characters. @param {string} text @param {number} points */
export function placeOf(text, points) {
  let at = 0;
  for (let left = points; left > 0 && at < text.length; left -= 1) at += isPair(text, at) ? 2 : 1;
  return at;
}

/** @param {string} text @param {number} at */
const isPair = (text, at) => isHigh(text.charCodeAt(at)) && isLow(text.charCodeAt(at + 1));
/** @param {string} text @param {number} at */
const isSecondHalf = (text, at) => at > 0 && isLow(text.charCodeAt(at)) && isHigh(text.charCodeAt(at - 1));
/** @param {number} unit */
const isHigh = (unit) => unit >= 0xd800 && unit <= 0xdbff;
/** @param {number} unit */
const isLow = (unit) => unit >= 0xdc00 && unit <= 0xdfff;

/** As the studio wants a change, in its own places. @param {string} before @param {Difference} change */
export function told(before, { start, removed, inserted }) {
  const first = pointsUpTo(before, start);
  return { start: first, end: first + pointsUpTo(before.slice(start, start + removed), removed), text: inserted };
}

// ── marks: stretches that somebody wrote ────────────────────────────────────────────────────────────

/** From `start` up to `end`. @typedef {{start: number, end: number}} Mark */

/** What a model wrote. @param {{text: string, by: string}[]} runs @returns {Mark[]} */
export function marksOf(runs) {
  const marks = /** @type {Mark[]} */ ([]);
  let at = 0;
  for (const { text, by } of runs) {
    const last = marks.at(-1);
    if (by === "model" && last?.end === at) last.end += text.length;
    else if (by === "model") marks.push({ start: at, end: at + text.length });
    at += text.length;
  }
  return marks;
}

/** Marks after a person's change, which splits one that it stands in. @param {Mark[]} marks @param {Difference} change @returns {Mark[]} */
export function marksAfter(marks, change) {
  const { start, removed, inserted } = change;
  const behind = start + removed;
  const shift = inserted.length - removed;
  const kept = marks.flatMap((mark) => [
    { start: mark.start, end: Math.min(mark.end, start) },
    { start: Math.max(mark.start, behind) + shift, end: mark.end + shift },
  ]);
  return kept.filter((mark) => mark.end > mark.start);
}
