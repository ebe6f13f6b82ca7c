// The probes of two models: before, after, what changed, and the replies of those that did. Knows no job.
// @ts-check
import { useEffect } from "preact/hooks";
import { loadProbes, probes } from "../../state/evals.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Strip } from "./Strip.js";
import { changeOf, chanceOf, faultOf, linesOf, rangeOf, shareOf, verdictOf } from "./words.js";

const FIRST = 6; // changes that are not folded

/** @param {{found: any}} props */
export function Compared({ found }) {
  useEffect(() => void loadProbes(), []);
  const flips = found.flips;
  return html`<p class="statement">${verdictOf(found.total)}</p>
    <table class="plain-table probe-table" role="table" aria-label=${t("web.probes.table")}>
      <thead role="rowgroup"><tr role="row">${["group", "before", "after", "", "changed"].map((name) => html`<th key=${name} role="columnheader" scope="col">${name && t(`web.probes.${name}`)}</th>`)}</tr></thead>
      <tbody role="rowgroup">${linesOf(found).map((line) => html`<${Line} key=${line.key} line=${line} />`)}</tbody>
    </table>
    <p class="quiet">${t("evals.probes.about")}</p>
    ${found.left_out > 0 && html`<p class="notice">${t("evals.probes.left_out", { count: found.left_out })}</p>`}
    ${flips.length > 0 && html`<h3 class="probe-flips">${t("web.probes.flips", { count: flips.length })}</h3>
      ${flips.slice(0, FIRST).map(flipped)}
      ${flips.length > FIRST && html`<details class="fold"><summary>${t("web.probes.more", { count: flips.length - FIRST })}</summary>${flips.slice(FIRST).map(flipped)}</details>`}`}`;
}

/** @param {{line: import("./words.js").Line}} props */
const Line = ({ line: { name, about, row, part } }) => html`<tr role="row" class=${`probe-${part}`}>
  <th role="rowheader" scope="row">${name} <span class="quiet tabular">${row.count}</span>${about && html`<small class="quiet">${about}</small>`}</th>
  ${["before", "after"].map((when) => html`<td key=${when} role="cell" class="tabular" data-words=${t(`web.probes.${when}`)}>${shareOf(row[when])}<small class="quiet">${rangeOf(row[when])}</small></td>`)}
  <td role="cell" class="probe-strip"><${Strip} shares=${[row.before, row.after]} chance=${row.chance} /></td>
  <td role="cell" class="tabular" data-words=${t("web.probes.changed")}>${row.worse + row.better ? html`${t("web.probes.turned", row)}<small class="quiet">${changeOf(row.change)} · ${chanceOf(row.p)}</small>` : html`<span class="quiet">${t("web.probes.unchanged")}</span>`}</td>
</tr>`;

/** @param {any} flip */
const flipped = (flip) => html`<${Flip} key=${flip.probe + flip.group} flip=${flip} />`;

/** @param {{flip: any}} props */
function Flip({ flip }) {
  const probe = probes.value?.[flip.probe];
  return html`<article class="probe-one">
    <p class="quiet"><span class=${flip.worse ? "bad" : "good"}>${t(`evals.probes.turned.${flip.worse ? "worse" : "better"}`)}</span> · ${t(`evals.probes.groups.${flip.group}`)}${flip.why && ` · ${faultOf(flip.why)}`}</p>
    <p class="label probe-ask">${probe?.ask ?? flip.probe}</p>
    ${probe?.expected && html`<p class="quiet">${t("web.probes.expected", { words: probe.expected })}</p>`}
    <div class="probe-columns">${["before", "after"].map((when) => html`<div key=${when}><small class="quiet">${t(`web.probes.${when}`)}</small><p class="probe-said">${flip[when] || t("web.probes.empty")}</p></div>`)}</div>
  </article>`;
}
