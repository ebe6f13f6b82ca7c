// Bars from the left, a group for each name, with their numbers at their ends. Knows a Plot.
// @ts-check
import { html } from "../html.js";
import { axisWords, hasInterval, pointWords } from "./rows.js";
import { scaleOf, short } from "./scale.js";

/** @import { PlotOf } from "../../types.d.ts" */

const BAR = 18; // px, and so the others
const GAP = 14;
const FOOT = 40;
const LETTER = 7;
const MOST_NAME = 0.32; // of the width
const END = 64; // room for the number at a bar's end

/** @param {PlotOf} plot @param {number} width */
export function bars(plot, width) {
  const names = [...new Set(plot.series.flatMap((series) => series.points.map((point) => String(point.x))))];
  const group = plot.series.length * BAR + GAP;
  const [top, height] = [6, 6 + names.length * group + FOOT];
  const left = Math.min(width * MOST_NAME, Math.max(...names.map(widthOf), 20) + 10);
  const values = plot.series.flatMap((series) => series.points.flatMap((point) => [point.y, point.high ?? point.y]));
  const scale = scaleOf(values, { ...plot.y, from_zero: plot.y.scale !== "log" }, left, width - END, width < 480 ? 4 : 7);
  const start = scale.at(plot.y.scale === "log" ? scale.low : Math.max(0, scale.low));
  const spots = /** @type {import("./Plot.js").Spot[]} */ ([]);
  const drawn = names.map((name, row) =>
    plot.series.map((series, index) => {
      const point = series.points.find((one) => String(one.x) === name);
      if (!point) return null;
      const y = top + row * group + index * BAR;
      const end = scale.at(point.y);
      spots.push({ x: end, y: y + BAR / 2, words: pointWords(plot, series.name, point) });
      const tip = hasInterval(point) ? Math.max(end, scale.at(/** @type {number} */ (point.high))) : end;
      return html`<g class=${`plot-ink-${index % 6}`}>
        <rect class="plot-bar" x=${Math.min(start, end)} y=${y + 1} width=${Math.max(1, Math.abs(end - start))} height=${BAR - 3} rx="2" />
        ${hasInterval(point) && html`<path class="plot-interval" d=${`M${scale.at(/** @type {number} */ (point.low))} ${y + BAR / 2}H${tip}`} />`}
        <text class="plot-number" x=${tip + 6} y=${y + BAR - 5}>${short(point.y)}</text>
      </g>`;
    }),
  );
  const floor = height - FOOT;
  return {
    height,
    spots,
    marks: html`
      ${scale.ticks.map((tick) => html`<g><path class="plot-grid" d=${`M${scale.at(tick)} ${top}V${floor}`} /><text class="plot-tick" x=${scale.at(tick)} y=${floor + 16} text-anchor="middle">${short(tick)}</text></g>`)}
      ${drawn}
      ${names.map((name, row) => html`<text class="plot-name" x=${left - 8} y=${top + row * group + (group - GAP) / 2 + 4} text-anchor="end">${cut(name, left)}</text>`)}
      <path class="plot-axis" d=${`M${start} ${top}V${floor}`} />
      <text class="plot-title" x=${(left + width - END) / 2} y=${height - 4} text-anchor="middle">${axisWords(plot.y)}</text>
    `,
  };
}

/** Chinese letters are about twice as wide. @param {string} text */
const widthOf = (text) => [...text].reduce((sum, letter) => sum + (letter > "\u2e7f" ? 2 : 1) * LETTER, 0);

/** @param {string} text @param {number} room */
function cut(text, room) {
  if (widthOf(text) <= room) return text;
  return `${[...text].slice(0, Math.max(3, Math.floor(room / LETTER) - 2)).join("")}…`;
}
