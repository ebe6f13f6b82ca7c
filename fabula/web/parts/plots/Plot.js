// A result as a picture: axes with units, intervals, labels beside what they name, and its numbers as a table. Knows a
// Plot, not where it comes from.
// @ts-check
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { bars } from "./bars.js";
import { flat } from "./flat.js";
import { axisWords, columnsOf, csvOf, hasInterval, worded } from "./rows.js";
import { fileName, save, standing } from "./saving.js";
import { short } from "./scale.js";

/** @import { PlotOf } from "../../types.d.ts" */
/** @typedef {{x: number, y: number, words: string}} Spot where a point lies on the picture, and what it says */

const NARROWEST = 280;

/** @param {{plot: PlotOf}} props */
export function Plot({ plot }) {
  const [frame, width] = useWidth();
  const picture = useRef(/** @type {SVGSVGElement | null} */ (null));
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(-1);
  const id = useId();
  const drawn = plot.kind === "bars" ? bars(plot, width) : flat(plot, width);
  const spot = drawn.spots[chosen];
  const walk = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") setChosen(-1);
    if (!step || !drawn.spots.length) return;
    event.preventDefault();
    setChosen((chosen + step + drawn.spots.length) % drawn.spots.length);
  };
  const near = (/** @type {PointerEvent} */ event) => {
    const box = /** @type {SVGSVGElement} */ (picture.current).getBoundingClientRect();
    setChosen(nearest(drawn.spots, event.clientX - box.left, event.clientY - box.top));
  };
  const saveSvg = () => picture.current && save(fileName(plot.title, "svg"), standing(picture.current), "image/svg+xml");
  const saveCsv = () => save(fileName(plot.title, "csv"), csvOf(plot), "text/csv");
  return html`<figure class="plot" ref=${frame}>
    <figcaption>
      <h3 id=${`${id}-title`}>${plot.title}</h3>
      ${plot.about && html`<p class="quiet">${plot.about}</p>`}
    </figcaption>
    ${plot.series.length > 1 && html`<p class="plot-names" aria-hidden="true">${plot.series.map((series, index) => html`<span key=${series.name} class=${`plot-ink-${index % 6}`}><span class="plot-swatch"></span>${series.name}</span>`)}</p>`}
    <svg
      ref=${picture}
      class="plot-picture"
      role="img"
      tabindex="0"
      width=${width}
      height=${drawn.height}
      viewBox=${`0 0 ${width} ${drawn.height}`}
      aria-labelledby=${`${id}-title`}
      aria-describedby=${`${id}-table`}
      onKeyDown=${walk}
      onPointerMove=${near}
      onPointerLeave=${() => setChosen(-1)}
      onBlur=${() => setChosen(-1)}
    >
      ${drawn.marks}
      ${spot && html`<circle class="plot-chosen" cx=${spot.x} cy=${spot.y} r="7" />`}
    </svg>
    <p class="plot-readout tabular" aria-live="polite">${spot?.words ?? " "}</p>
    <div class="row plot-verbs">
      <button type="button" class="link-button" aria-expanded=${open} onClick=${() => setOpen(!open)}>${t(open ? "web.plots.hide_table" : "web.plots.table")}</button>
      <button type="button" class="link-button" aria-label=${t("web.plots.save_as", { title: plot.title, format: "SVG" })} onClick=${saveSvg}>SVG</button>
      <button type="button" class="link-button" aria-label=${t("web.plots.save_as", { title: plot.title, format: "CSV" })} onClick=${saveCsv}>CSV</button>
    </div>
    <div id=${`${id}-table`} class=${open ? "plot-table" : "sr-only"}><${Table} plot=${plot} /></div>
  </figure>`;
}

/** @param {Spot[]} spots @param {number} x @param {number} y */
function nearest(spots, x, y) {
  const away = spots.map((spot) => Math.hypot(spot.x - x, spot.y - y));
  return away.indexOf(Math.min(...away));
}

/** As wide as there is room. @returns {[any, number]} */
function useWidth() {
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const [width, setWidth] = useState(NARROWEST);
  useEffect(() => {
    const node = /** @type {HTMLElement} */ (frame.current);
    const watch = new ResizeObserver(() => setWidth(Math.max(NARROWEST, Math.floor(node.clientWidth))));
    watch.observe(node);
    return () => watch.disconnect();
  }, []);
  return [frame, width];
}

/** @param {{plot: PlotOf}} props */
function Table({ plot }) {
  const has = columnsOf(plot);
  const rows = plot.series.flatMap((series) => series.points.map((point) => ({ name: series.name, point })));
  return html`<table>
    <caption class="sr-only">${plot.title}</caption>
    <thead><tr>
      ${has.series && html`<th scope="col">${t("web.plots.series")}</th>`}
      ${has.label && html`<th scope="col">${t("web.plots.what")}</th>`}
      <th scope="col" class="number">${axisWords(plot.x)}</th>
      <th scope="col" class="number">${axisWords(plot.y)}</th>
      ${has.interval && html`<th scope="col" class="number">${t("web.plots.interval")}</th>`}
    </tr></thead>
    <tbody>${rows.map(
      ({ name, point }, index) => html`<tr key=${index}>
        ${has.series && html`<td>${name}</td>`}
        ${has.label && html`<td>${point.label}</td>`}
        <td class="number tabular">${worded(point.x)}${point.to !== null && `–${short(point.to)}`}</td>
        <td class="number tabular">${short(point.y)}</td>
        ${has.interval && html`<td class="number tabular">${hasInterval(point) && `${short(/** @type {number} */ (point.low))}–${short(/** @type {number} */ (point.high))}`}</td>`}
      </tr>`,
    )}</tbody>
  </table>`;
}

/** Several, in their order. @param {{plots: PlotOf[]}} props */
export const Plots = ({ plots }) => html`<div class="plots">${plots.map((plot) => html`<${Plot} key=${plot.title} plot=${plot} />`)}</div>`;

