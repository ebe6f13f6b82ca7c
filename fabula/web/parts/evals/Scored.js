// The probes of one model: shares with their intervals, and every probe with what was replied. Knows no job.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { loadProbes, probes } from "../../state/evals.js";
import { FORMATS, t } from "../../texts.js";
import { html } from "../html.js";
import { Strip } from "./Strip.js";
import { faultOf, linesOf, rangeOf, shareOf } from "./words.js";

const WHICH = /** @type {const} */ (["wrong", "right", "all"]);

/** @param {{found: any}} props */
export function Scored({ found }) {
  const [which, setWhich] = useState(/** @type {(typeof WHICH)[number]} */ ("wrong"));
  useEffect(() => void loadProbes(), []);
  const rows = found.probes.filter((/** @type {any} */ row) => which === "all" || isRight(row) === (which === "right"));
  return html`<table class="plain-table probe-table" role="table" aria-label=${t("web.probes.table")}>
      <thead role="rowgroup"><tr role="row">${["group", "score", ""].map((name) => html`<th key=${name} role="columnheader" scope="col">${name && t(`web.probes.${name}`)}</th>`)}</tr></thead>
      <tbody role="rowgroup">${linesOf(found).map(({ key, name, about, row, part }) => html`<tr key=${key} role="row" class=${`probe-${part}`}>
        <th role="rowheader" scope="row">${name} <span class="quiet tabular">${row.count}</span>${about && html`<small class="quiet">${about}</small>`}</th>
        <td role="cell" class="tabular">${shareOf(row)} <span class="quiet">(${rangeOf(row)})</span>${row.chance && html`<small class="quiet">${t("web.probes.chance", { share: row.chance })}</small>`}</td>
        <td role="cell" class="probe-strip"><${Strip} shares=${[row]} chance=${row.chance} /></td>
      </tr>`)}</tbody>
    </table>
    <p class="quiet">${t("evals.probes.about")}</p>
    ${found.left_out > 0 && html`<p class="notice">${t("evals.probes.left_out", { count: found.left_out })}</p>`}
    <section aria-labelledby="probes-every"><h2 id="probes-every">${t("web.probes.every")}</h2>
      <label class="row probe-which"><span class="label">${t("web.probes.which")}</span><select class="field" value=${which} onChange=${(/** @type {any} */ event) => setWhich(event.target.value)}>${WHICH.map((name) => html`<option key=${name} value=${name}>${t(`web.probes.only.${name}`)}</option>`)}</select>
        <span class="quiet tabular" role="status">${FORMATS.number(rows.length)}</span></label>
      ${rows.map((/** @type {any} */ row) => html`<${One} key=${row.probe} row=${row} />`)}
    </section>`;
}

/** @param {any} row */
const isRight = (row) => Object.values(row.right).every(Boolean);

/** @param {{row: any}} props */
function One({ row }) {
  const probe = probes.value?.[row.probe];
  return html`<article class="probe-one">
    <p class="quiet">${Object.entries(row.right).map(([group, right]) => html`<span key=${group} class="probe-judged"><span class=${right ? "good" : "bad"}>${t(`evals.probes.${right ? "right" : "wrong"}`)}</span> · ${t(`evals.probes.groups.${group}`)}${row.why?.[group] ? ` · ${faultOf(row.why[group])}` : ""}</span>`)}</p>
    <p class="label probe-ask">${probe?.ask ?? row.probe}</p>
    <p class="probe-said">${row.reply || t("web.probes.empty")}</p>
    ${probe?.expected && !isRight(row) && html`<p class="quiet">${t("web.probes.expected", { words: probe.expected })}</p>`}
  </article>`;
}
