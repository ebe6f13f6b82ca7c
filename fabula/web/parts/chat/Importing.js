// Files and folders on their way in, and what came of each. Knows the list, not the open chat.
// @ts-check
import { importing, take, takeFrom } from "../../state/importing.js";
import { t } from "../../texts.js";
import { asksForFiles } from "../ChatList.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";

/** @import { Line } from "../../state/importing.js" */

function close() {
  asksForFiles.value = false;
  if (!importing.value || importing.value.done >= importing.value.total) importing.value = null;
}

export function Importing() {
  const now = importing.value;
  return html`<${Dialog} title=${t("web.import.title")} close=${close}>
    <div class="importing">${now ? html`<${Told} ...${now} />` : html`<${Asking} />`}</div>
  <//>`;
}

function Asking() {
  const pick = (/** @type {any} */ event) => take([.../** @type {FileList} */ (event.target.files)].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
  const from = (/** @type {any} */ event) => (event.preventDefault(), takeFrom(event.target.elements.namedItem("folder").value.trim()));
  return html`
    <p>${t("web.import.about")}</p>
    <div class="row">
      <label class="button">${t("web.import.files_button")}<input class="sr-only" type="file" multiple onChange=${pick} /></label>
      <label class="button">${t("web.import.folder_button")}<input class="sr-only" type="file" webkitdirectory onChange=${pick} /></label>
    </div>
    <form class="block" onSubmit=${from}>
      <label class="block"><span class="label">${t("web.import.on_studio")}</span>
        <input class="field" name="folder" required placeholder="SillyTavern/data/default-user" /></label>
      <small class="quiet">${t("web.import.on_studio_about")}</small>
      <div class="row"><button type="submit" class="button">${t("web.import.take")}</button></div>
    </form>
  `;
}

/** @param {import("../../state/importing.js").Importing} props */
function Told({ done, total, lines, report, problem }) {
  const going = done < total;
  return html`
    ${going && html`<p role="status">${done < 0 ? t("web.import.going_folder") : t("web.import.going", { done, total })}</p>`}
    ${problem && html`<p class="bad" role="alert">${problem.message}</p>`}
    ${lines.length > 0 && html`<ul class="import-lines">${lines.map((line, index) => html`<${Row} key=${index} line=${line} />`)}</ul>`}
    ${report && html`<${Report} report=${report} />`}
    ${!going && html`<div class="row"><button type="button" class="button button-main" onClick=${close}>${t("web.close")}</button></div>`}
  `;
}

/** @param {{line: Line}} props */
const Row = ({ line: { name, told, chat, refused } }) =>
  html`<li>${chat ? html`<a href=${`#/chat/${encodeURIComponent(chat)}`} onClick=${close}>${name}</a>` : html`<b>${name}</b>`} <span class=${refused ? "bad" : "quiet"}>${told}</span></li>`;

/** @param {{report: any}} props */
function Report({ report: { kinds, left, left_reasons: reasons, not_run: unrun } }) {
  return html`<table class="import-kinds">
      <thead><tr><th scope="col">${t("web.import.kind")}</th><th scope="col">${t("web.import.taken")}</th><th scope="col">${t("web.import.already")}</th><th scope="col">${t("web.import.refused")}</th></tr></thead>
      <tbody>${kinds.map((/** @type {any} */ row) => html`<tr key=${row.kind}><th scope="row">${t(`cli.import.kinds.${row.kind}`)}</th><td>${row.taken}</td><td>${row.already}</td><td>${row.refused.length}</td></tr>`)}</tbody>
    </table>
    ${kinds.flatMap((/** @type {any} */ row) => row.refused).map((/** @type {any} */ one) => html`<p key=${one.file}><b>${one.file}</b> <span class="bad">${one.reason}</span></p>`)}
    ${unrun.map((/** @type {any} */ one) => html`<p key=${one.file} class="quiet">${t("web.import.not_run", { file: one.file, replies: one.replies.join(", ") })}</p>`)}
    ${Object.keys(left).length > 0 && html`<details><summary>${t("web.import.left")}</summary><ul>${Object.entries(left).map(([folder, files]) => html`<li key=${folder}><b>${folder}</b> (${files}) <span class="quiet">${reasons[folder] ?? ""}</span></li>`)}</ul></details>`}`;
}
