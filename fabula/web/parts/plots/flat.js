// Lines, points, fronts and histograms on two axes, each named beside what it names. Knows a Plot.
// @ts-check
import { html } from "../html.js";
import { axisWords, hasInterval, pointWords } from "./rows.js";
import { frontOf, scaleOf, short } from "./scale.js";

/** @import { PlotOf, PlotPoint } from "../../types.d.ts" */
/** @typedef {import("./scale.js").Scale} Scale */
/** @typedef {{x: number, y: number, words: string}} Spot */

const EDGE = { left: 52, right: 18, top: 22, bottom: 42 }; // px
const NAMED = 96; // room for the names of lines at their ends
const HEIGHTS = [240, 300];
const WIDE = 480;
const SHAPES = ["M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M-4-4H4V4H-4Z", "M0-5 5 4H-5Z", "M0-5 5 0 0 5-5 0Z", "M-4-4 4 4M4-4-4 4", "M-5 0H5M0-5V5"];

/** @param {PlotOf} plot @param {number} width */
export function flat(plot, width) {
  const height = HEIGHTS[width < WIDE ? 0 : 1];
  const named = plot.series.length > 1 && plot.kind === "lines" && width >= WIDE;
  const points = plot.series.flatMap((series) => series.points);
  const [across, up] = [points.flatMap(ends), points.flatMap((point) => [point.y, point.low ?? point.y, point.high ?? point.y])];
  const right = width - EDGE.right - (named ? NAMED : 0);
  const x = whole(scaleOf(across, plot.x, EDGE.left, right, width < WIDE ? 5 : 8), across);
  const y = scaleOf(up, plot.kind === "histogram" ? { ...plot.y, from_zero: true } : plot.y, height - EDGE.bottom, EDGE.top, 6);
  const at = (/** @type {PlotPoint} */ point) => ({ x: x.at(middle(point)), y: y.at(point.y) });
  const spots = plot.series.flatMap((series) => series.points.map((point) => ({ ...at(point), words: pointWords(plot, series.name, point) })));
  return {
    height,
    spots,
    marks: html`
      <${Axes} plot=${plot} x=${x} y=${y} right=${right} height=${height} />
      ${plot.kind === "pareto" && html`<${Front} plot=${plot} at=${at} />`}
      ${plot.series.map((series, index) => html`<${Series} key=${series.name} plot=${plot} points=${series.points} index=${index} x=${x} y=${y} at=${at} />`)}
      ${named && endNames(plot, at).map(({ name, index, top, left }) => html`<text class=${`plot-number plot-ink-${index % 6}`} x=${left + 10} y=${top + 4}>${name}</text>`)}
      <${Labels} plot=${plot} at=${at} right=${width} />
    `,
  };
}

/** Between whole numbers there is nothing to read. @param {Scale} scale @param {number[]} values @returns {Scale} */
const whole = (scale, values) => (values.every(Number.isInteger) ? { ...scale, ticks: scale.ticks.filter(Number.isInteger) } : scale);

/** @param {PlotPoint} point */
const ends = ({ x, to }) => (to === null ? [Number(x)] : [Number(x), to]);
/** @param {PlotPoint} point */
const middle = ({ x, to }) => (to === null ? Number(x) : (Number(x) + to) / 2);

/** @param {{plot: PlotOf, x: Scale, y: Scale, right: number, height: number}} props */
function Axes({ plot, x, y, right, height }) {
  const floor = height - EDGE.bottom;
  return html`<g>
    ${y.ticks.map((tick) => html`<path class="plot-grid" d=${`M${EDGE.left} ${y.at(tick)}H${right}`} /><text class="plot-tick" x=${EDGE.left - 7} y=${y.at(tick) + 4} text-anchor="end">${short(tick)}</text>`)}
    ${x.ticks.map((tick) => html`<path class="plot-axis" d=${`M${x.at(tick)} ${floor}v4`} /><text class="plot-tick" x=${x.at(tick)} y=${floor + 17} text-anchor="middle">${short(tick)}</text>`)}
    <path class="plot-axis" d=${`M${EDGE.left} ${floor}H${right}`} />
    <text class="plot-title" x=${EDGE.left - 44} y="12">${axisWords(plot.y)}</text>
    <text class="plot-title" x=${(EDGE.left + right) / 2} y=${height - 6} text-anchor="middle">${axisWords(plot.x)}</text>
  </g>`;
}

/** @param {{plot: PlotOf, points: PlotPoint[], index: number, x: Scale, y: Scale, at: (point: PlotPoint) => {x: number, y: number}}} props */
function Series({ plot, points, index, x, y, at }) {
  const ink = `plot-ink-${index % 6}`;
  if (plot.kind === "histogram") {
    const floor = y.at(0);
    return html`<g class=${ink}>${points.map((point) => {
      const [from, to] = [x.at(Number(point.x)), x.at(point.to ?? Number(point.x))];
      return html`<rect class="plot-bar" x=${from + 0.5} y=${y.at(point.y)} width=${Math.max(1, to - from - 1)} height=${Math.max(0, floor - y.at(point.y))} />`;
    })}</g>`;
  }
  const line = points.map((point, place) => `${place ? "L" : "M"}${at(point).x} ${at(point).y}`).join("");
  return html`<g class=${ink}>
    ${plot.kind === "lines" && band(points, x, y)}
    ${plot.kind === "lines" && html`<path class=${`plot-line plot-dash-${index % 6}`} d=${line} />`}
    ${points.map((point) => html`<g>
      ${hasInterval(point) && plot.kind !== "lines" && html`<path class="plot-interval" d=${`M${at(point).x} ${y.at(/** @type {number} */ (point.low))}V${y.at(/** @type {number} */ (point.high))}`} />`}
      <path class=${`plot-mark plot-mark-${index % 6}`} transform=${`translate(${at(point).x} ${at(point).y})`} d=${SHAPES[index % 6]} />
    </g>`)}
  </g>`;
}

/** The interval along a line; single points get a bar. @param {PlotPoint[]} points @param {Scale} x @param {Scale} y */
function band(points, x, y) {
  const known = points.filter(hasInterval);
  if (known.length < 2 || known.length < points.length) {
    return known.map((point) => html`<path class="plot-interval" d=${`M${x.at(Number(point.x))} ${y.at(/** @type {number} */ (point.low))}V${y.at(/** @type {number} */ (point.high))}`} />`);
  }
  const edge = (/** @type {"low" | "high"} */ end, /** @type {PlotPoint[]} */ list) => list.map((point) => `${x.at(Number(point.x))} ${y.at(/** @type {number} */ (point[end]))}`).join("L");
  return html`<path class="plot-band" d=${`M${edge("low", known)}L${edge("high", [...known].reverse())}Z`} />`;
}

/** @param {{plot: PlotOf, at: (point: PlotPoint) => {x: number, y: number}}} props */
function Front({ plot, at }) {
  const all = plot.series.flatMap((series) => series.points).map((point) => ({ ...point, x: Number(point.x) }));
  const front = frontOf(all, plot.x.best, plot.y.best);
  return html`<path class="plot-front" d=${front.map((point, place) => `${place ? "L" : "M"}${at(point).x} ${at(point).y}`).join("")} />`;
}

/** The names at the ends of lines, moved apart. @param {PlotOf} plot @param {(point: PlotPoint) => {x: number, y: number}} at */
function endNames(plot, at) {
  const last = plot.series
    .map((series, index) => ({ name: series.name, index, end: series.points.length ? at(series.points[series.points.length - 1]) : null }))
    .filter((row) => row.end)
    .sort((a, b) => /** @type {any} */ (a.end).y - /** @type {any} */ (b.end).y);
  let below = -Infinity;
  return last.map(({ name, index, end }) => {
    below = Math.max(/** @type {any} */ (end).y, below + 15);
    return { name, index, top: below, left: /** @type {any} */ (end).x };
  });
}

const LINE = 13; // px

/** What points are called, where that covers no other name. @param {{plot: PlotOf, at: (point: PlotPoint) => {x: number, y: number}, right: number}} props */
function Labels({ plot, at, right }) {
  if (plot.kind !== "pareto" && plot.kind !== "scatter") return null;
  const taken = /** @type {{left: number, right: number, top: number}[]} */ ([]);
  const rows = plot.series.flatMap((series) => series.points.filter((point) => point.label)).map((point) => {
    const [place, wide] = [at(point), point.label.length * 6.2];
    const left = place.x + 8 + wide > right ? place.x - 8 - wide : place.x + 8;
    const box = { left, right: left + wide, top: place.y };
    if (left < 0 || taken.some((other) => Math.abs(other.top - box.top) < LINE && other.left < box.right && box.left < other.right)) return null;
    taken.push(box);
    return html`<text class="plot-label" x=${left} y=${place.y + 4}>${point.label}</text>`;
  });
  return html`<g>${rows}</g>`;
}
