// What came over from a folder, or would: by kind, what was refused and why, what has no place here. Knows no format.
// @ts-check
import { FORMATS, t } from "../../texts.js";
import { html } from "../html.js";

/** @import { ImportReport } from "../../types.d.ts" */

/** @param {{report: ImportReport, done: boolean}} props */
export function ImportTable({ report, done }) {
  const { kinds, left, left_reasons: why, not_run: notes } = report;
  const refused = kinds.flatMap((kind) => kind.refused);
  return html`<div class="import-report" role="status">
    <p><b>${t(done ? "web.import.done" : "web.import.would")}</b> <code class="path">${report.folder}</code></p>
    <div class="settings-wide"><table class="settings-table">
      <thead><tr><th scope="col">${t("web.import.kind")}</th>${["taken", "already", "refused"].map((name) => html`<th scope="col" class="tabular">${t(`web.import.column_${name}`)}</th>`)}</tr></thead>
      <tbody>${kinds.map((kind) => html`<tr key=${kind.kind}><th scope="row">${t(`cli.import.kinds.${kind.kind}`)}</th>
        ${[kind.taken, kind.already, kind.refused.length].map((count) => html`<td class="tabular">${FORMATS.number(count)}</td>`)}</tr>`)}</tbody>
    </table></div>
    <${Fold} title=${t("web.import.refused", { count: refused.length })} rows=${refused.map((one) => [one.file, one.reason])} />
    <${Fold} title=${t("web.import.left", { count: Object.values(left).reduce((sum, count) => sum + count, 0) })} rows=${Object.keys(left).map((name) => [`${name} (${left[name]})`, why[name]])} />
    <${Fold} title=${t("web.import.not_run", { count: notes.length })} rows=${notes.map((one) => [one.file, one.replies])} />
  </div>`;
}

/** @param {{title: string, rows: string[][]}} props */
function Fold({ title, rows }) {
  if (!rows.length) return null;
  return html`<details><summary>${title}</summary><ul class="rows">
    ${rows.map(([name, reason]) => html`<li key=${name} class="import-why"><span class="path">${name}</span><small class="quiet">${reason}</small></li>`)}
  </ul></details>`;
}
