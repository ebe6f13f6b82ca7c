// What became of the files that were handed over: one line each. Knows no file format.
// @ts-check
import * as api from "../../api.js";
import { loadCharacters, loadDrawers } from "../../state/characters.js";
import { report as shown } from "../../state/taking.js";
import { tell, tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";

/** @import { Report as Told, Taken } from "../../state/taking.js" */

const LINES = 100; // of each kind

const ADDRESSES = /** @type {Record<Taken["kind"], string>} */ ({ character: "#/characters/", lorebook: "#/lore/", chat: "#/chat/", replies: "" });

/** @param {{report: Told}} props */
export function Report({ report }) {
  const { done, total, taken, refused } = report;
  const busy = done < total;
  const ids = taken.filter(({ kind, already }) => kind === "character" && !already).map(({ id }) => id);
  const known = taken.filter(({ already }) => already).length;
  const sum = [t("web.characters.report", { taken: taken.length - known, refused: refused.length }), known && t("web.characters.report_known", { count: known })].filter(Boolean).join(" · ");
  return html`<section class="report" aria-label=${t("web.characters.report_title")}>
    <div class="row row-spread">
      <strong role="status">${busy ? t("web.characters.importing", { done, total }) : sum}</strong>
      <span class="row">
        ${!busy && ids.length > 0 && html`<button type="button" class="button button-quiet" onClick=${() => takeBack(ids)}>${t("web.characters.take_back")}</button>`}
        ${!busy && html`<${IconButton} icon="close" label=${t("web.close")} onClick=${() => (shown.value = null)} />`}
      </span>
    </div>
    ${busy && html`<progress class="job-progress" value=${done} max=${total} aria-label=${sum}></progress>`}
    ${refused.length > 0 && html`<ul class="report-refused">${refused.slice(0, LINES).map(({ file, reason }) => html`<li><code>${file}</code> ${reason}</li>`)}<${More} count=${refused.length - LINES} /></ul>`}
    ${taken.length > 0 && html`<details><summary>${t("web.characters.report_taken", { count: taken.length })}</summary>
      <ul>${taken.slice(0, LINES).map((one) => html`<${Line} one=${one} />`)}<${More} count=${taken.length - LINES} /></ul></details>`}
  </section>`;
}

/** @param {{one: Taken}} props */
function Line({ one }) {
  const address = ADDRESSES[one.kind];
  return html`<li>
    ${address ? html`<a href=${address + encodeURIComponent(one.id)}>${one.name || one.file}</a>` : one.name}
    <span class="quiet">${one.already ? t("web.characters.known") : t(`web.characters.kind_${one.kind}`)} · ${one.file}</span>
  </li>`;
}

/** @param {{count: number}} props */
const More = ({ count }) => (count > 0 ? html`<li class="quiet">${t("web.characters.report_more", { count })}</li>` : null);

/** @param {string[]} ids */
async function takeBack(ids) {
  await api.post("/characters/mark", { ids, trashed: true }).catch(tellError);
  shown.value = null;
  await Promise.all([loadCharacters(), loadDrawers()]);
  tell(t("web.characters.trashed", { count: ids.length }));
}
