// Where a number lies along an axis, and which round numbers stand beside it. Pure; knows no screen.
// @ts-check

/** @typedef {{at: (value: number) => number, ticks: number[], low: number, high: number}} Scale */

const STEPS = [1, 2, 2.5, 5, 10];

/** The smallest round step that makes at most `most` of a span. @param {number} span @param {number} most */
function roundStep(span, most) {
  const raw = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * /** @type {number} */ (STEPS.find((step) => step * power >= raw * 0.999));
}

/** @param {number} low @param {number} high @param {number} most */
export function linearTicks(low, high, most) {
  const step = roundStep(high - low || 1, most);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(count, 0) }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** Powers of ten, and 2 and 5 of each where there are few. @param {number} low @param {number} high */
export function logTicks(low, high) {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const parts = to - from > 3 ? [1] : [1, 2, 5];
  const all = Array.from({ length: to - from + 1 }, (_, index) => parts.map((part) => part * 10 ** (from + index))).flat();
  return all.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}

/**
 * From the numbers to pixels `start`…`end`, a little room at both ends.
 * @param {number[]} values @param {{scale?: string, from_zero?: boolean}} axis @param {number} start @param {number} end @param {number} most ticks
 * @returns {Scale}
 */
export function scaleOf(values, axis, start, end, most) {
  const known = values.filter((value) => Number.isFinite(value) && (axis.scale !== "log" || value > 0));
  const [least, largest] = [Math.min(...known), Math.max(...known)];
  if (axis.scale === "log") return logScale(known.length ? least : 1, known.length ? largest : 10, start, end);
  return linearScale(known.length ? least : 0, known.length ? largest : 1, Boolean(axis.from_zero), start, end, most);
}

/** @param {number} least @param {number} largest @param {boolean} fromZero @param {number} start @param {number} end @param {number} most */
function linearScale(least, largest, fromZero, start, end, most) {
  const span = largest - least || Math.abs(largest) || 1;
  const low = fromZero ? Math.min(0, least) : least - span * 0.08;
  const high = fromZero && largest <= 0 ? 0 : largest + span * 0.08;
  const at = (/** @type {number} */ value) => start + ((value - low) / (high - low)) * (end - start);
  return { at, ticks: linearTicks(low, high, most), low, high };
}

/** @param {number} least @param {number} largest @param {number} start @param {number} end */
function logScale(least, largest, start, end) {
  const [low, high] = [least / 1.15, largest * 1.15];
  const at = (/** @type {number} */ value) => start + (Math.log(value / low) / Math.log(high / low)) * (end - start);
  return { at, ticks: logTicks(low, high), low, high };
}

/** As short as it can be read: 0.0123, 1,234, 2.5M. @param {number} value */
export function short(value) {
  const size = Math.abs(value);
  if (!size) return "0";
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`;
  if (size >= 1e4) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  return size < 1e-3 ? value.toExponential(1) : trimmed(value);
}

/** @param {number} value */
const trimmed = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 });

/**
 * Those that nothing beats along both axes, from left to right. Each axis says which end is to be wished for.
 * @template {{x: number, y: number}} P @param {P[]} points @param {"" | "low" | "high"} x @param {"" | "low" | "high"} y
 */
export function frontOf(points, x, y) {
  const [across, up] = [x === "low" ? -1 : 1, y === "low" ? -1 : 1];
  const beats = (/** @type {P} */ a, /** @type {P} */ b) => {
    const [dx, dy] = [(a.x - b.x) * across, (a.y - b.y) * up];
    return dx >= 0 && dy >= 0 && dx + dy > 0;
  };
  return points.filter((point) => !points.some((other) => beats(other, point))).sort((a, b) => a.x - b.x);
}
