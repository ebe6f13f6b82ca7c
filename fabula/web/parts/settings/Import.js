// What other programs keep: single files, or a whole data folder on the studio's machine, looked at before it is taken
// over. Knows no file format.
// @ts-check
import { useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { loadChats } from "../../state/chats.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { ImportTable } from "./ImportTable.js";

/** @import { ImportReport } from "../../types.d.ts" */

export function Import() {
  return html`<${Folder} /><${Files} />`;
}

function Folder() {
  const [folder, setFolder] = useState("");
  const [report, setReport] = useState(/** @type {ImportReport | null} */ (null));
  const [done, setDone] = useState(false);
  const [working, setWorking] = useState(false);
  const [wrong, setWrong] = useState("");
  const named = useRef(""); // what was looked into must be what is taken
  const ask = async (/** @type {string} */ way, /** @type {boolean} */ isDone) => {
    setWorking(true);
    setWrong("");
    named.current = folder;
    try {
      const told = await api.post(way, { folder });
      if (isDone || named.current === folder) (setReport(told), setDone(isDone));
      if (isDone) loadChats();
    } catch (error) {
      setReport(null);
      setWrong(/** @type {Error} */ (error).message);
    }
    setWorking(false);
  };
  const look = (/** @type {Event} */ event) => (event.preventDefault(), ask("/import/rehearse", false));
  return html`<section aria-labelledby="folder-title">
    <h2 id="folder-title">${t("web.import.folder")}</h2>
    <p class="quiet">${t("web.import.folder_about")}</p>
    <form class="row row-field" onSubmit=${look}>
      <input class="field" required aria-label=${t("web.import.path")} placeholder="~/SillyTavern/data/default-user" value=${folder} onInput=${(/** @type {any} */ event) => ((named.current = event.target.value), setFolder(named.current), setReport(null))} />
      <button class="button" disabled=${working}>${t(working ? "web.import.working" : "web.import.look")}</button>
    </form>
    <p class="bad" role="alert">${wrong}</p>
    ${report && html`<${ImportTable} report=${report} done=${done} />`}
    ${report && !done && html`<div class="row">
      <button type="button" class="button button-main" disabled=${working || !report.kinds.some((kind) => kind.taken)} onClick=${() => ask("/import", true)}>${t(working ? "web.import.working" : "web.import.do")}</button>
      <small class="quiet">${t("web.import.do_about")}</small>
    </div>`}
  </section>`;
}

/** @typedef {{name: string, told: string, bad: boolean}} Line */

function Files() {
  const [lines, setLines] = useState(/** @type {Line[]} */ ([]));
  const take = async (/** @type {any} */ event) => {
    const files = /** @type {File[]} */ ([...event.target.files]);
    event.target.value = "";
    setLines([]);
    for (const file of files) {
      const more = await takenFrom(file);
      setLines((all) => [...all, ...more]);
    }
    loadChats();
  };
  return html`<section aria-labelledby="files-title">
    <h2 id="files-title">${t("web.import.files")}</h2>
    <p class="quiet">${t("web.import.files_about")}</p>
    <label class="button file-button">${t("web.import.pick")}<input type="file" multiple class="sr-only" onChange=${take} /></label>
    <ul class="rows" aria-live="polite" aria-label=${t("web.import.files")}>
      ${lines.map((line, place) => html`<li key=${place} class="settings-row"><span class="path">${line.name}</span><span class=${line.bad ? "bad" : "good"}>${line.told}</span></li>`)}
    </ul>
  </section>`;
}

/** What one file, or a ZIP file of several, was taken for. @param {File} file @returns {Promise<Line[]>} */
async function takenFrom(file) {
  try {
    const { taken, refused } = await api.upload(`/take?name=${encodeURIComponent(file.name)}`, file);
    return [
      ...taken.map((/** @type {any} */ one) => ({ name: one.file, told: t("web.import.taken", { name: one.name }), bad: false })),
      ...refused.map((/** @type {any} */ one) => ({ name: one.file, told: one.reason, bad: true })),
    ];
  } catch (error) {
    return [{ name: file.name, told: /** @type {Error} */ (error).message, bad: true }];
  }
}
