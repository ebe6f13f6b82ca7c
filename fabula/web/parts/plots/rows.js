// A plot as rows of words and numbers: for its table, its readout and its CSV. Knows no screen.
// @ts-check
import { short } from "./scale.js";

/** @import { PlotOf, PlotPoint } from "../../types.d.ts" */

/** @param {{label: string, unit: string}} axis */
export const axisWords = ({ label, unit }) => (unit ? `${label} (${unit})` : label);

/** Which columns there is anything for. @param {PlotOf} plot */
export function columnsOf(plot) {
  const points = plot.series.flatMap((series) => series.points);
  return {
    series: plot.series.length > 1,
    interval: points.some(hasInterval),
    label: plot.kind !== "bars" && points.some((point) => point.label && point.label !== `${point.x}`),
    to: points.some((point) => point.to !== null),
  };
}

/** @param {PlotPoint} point */
export const hasInterval = ({ low, high }) => low !== null && high !== null;

/** @param {number | string} value */
export const worded = (value) => (typeof value === "number" ? short(value) : value);

/** One point in words: "threads 3: 28 s (25 to 31)". @param {PlotOf} plot @param {string} name @param {PlotPoint} point */
export function pointWords(plot, name, point) {
  const place = point.to === null ? worded(point.x) : `${worded(point.x)}–${worded(point.to)}`;
  const what = [plot.series.length > 1 ? name : "", point.label && point.label !== `${point.x}` ? point.label : ""].filter(Boolean).join(", ");
  const across = plot.kind === "bars" ? place : `${plot.x.label} ${place}${plot.x.unit ? ` ${plot.x.unit}` : ""}`;
  const up = `${plot.y.label} ${short(point.y)}${plot.y.unit ? ` ${plot.y.unit}` : ""}`;
  const around = hasInterval(point) ? ` (${short(/** @type {number} */ (point.low))}–${short(/** @type {number} */ (point.high))})` : "";
  return `${what ? `${what}: ` : ""}${across} · ${up}${around}`;
}

/** @param {any} value */
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+\-@]/.test(text) && typeof value === "string" ? `'${text}` : text; // no formula in anybody's spreadsheet
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @param {PlotOf} plot */
export function csvOf(plot) {
  const has = columnsOf(plot);
  const titles = [has.series && "series", axisWords(plot.x), has.to && "to", axisWords(plot.y), ...(has.interval ? ["low", "high"] : []), has.label && "label"];
  const rows = plot.series.flatMap((series) =>
    series.points.map((point) => [
      ...(has.series ? [series.name] : []),
      point.x,
      ...(has.to ? [point.to] : []),
      point.y,
      ...(has.interval ? [point.low, point.high] : []),
      ...(has.label ? [point.label] : []),
    ]),
  );
  return [titles.filter((title) => title !== false), ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}
