// Backups: make one now, look into one, keep it elsewhere, put it back; and what restores have put aside. Knows no zip.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { tell, tellError } from "../../state/toasts.js";
import { asBytes, language, t } from "../../texts.js";
import { html } from "../html.js";
import { Press } from "../Icon.js";
import { Trouble } from "../Trouble.js";
import { when } from "../words.js";
import { Restore } from "./Restore.js";

/** @import { Backups as Told, KeptBackup } from "../../types.d.ts" */

export function Backups() {
  const [told, setTold] = useState(/** @type {Told | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [working, setWorking] = useState(false);
  const asked = useRef(0); // the answer to an older question is not shown
  const load = () => {
    const question = (asked.current += 1);
    const unless = (/** @type {() => void} */ act) => question === asked.current && act();
    return api.get("/backups").then((got) => unless(() => (setTold(got), setError(null))), (failed) => unless(() => setError(failed)));
  };
  useEffect(() => void load(), [language.value]);
  const make = async () => {
    setWorking(true);
    await api.post("/backup").then((made) => tell(t("web.settings.backup_done", { path: made.path, size: asBytes(made.size) })), tellError);
    setWorking(false);
    await load();
  };
  if (error && !told) return html`<${Trouble} error=${error} retry=${load} />`;
  if (!told) return html`<p class="quiet">${t("web.loading")}</p>`;
  return html`
    <section aria-labelledby="backups-title">
      <h2 id="backups-title">${t("web.settings.page.backups")}</h2>
      ${error && html`<${Trouble} error=${error} retry=${load} />`}
      <p class="quiet">${t("web.settings.backup_about")} ${t("web.backups.where")} <code class="path">${told.folder}</code></p>
      <div class="row"><button type="button" class="button" disabled=${working} onClick=${make}>${t(working ? "web.backups.making" : "web.settings.backup")}</button></div>
      ${told.restored && html`<p class=${told.restored.error ? "statement statement-warn" : "statement"} role="status">${told.restored.error || t("web.backups.restored", { name: told.restored.name, folder: told.restored.kept })}</p>`}
      ${told.backups.length === 0 && html`<p class="quiet">${t("web.backups.none")}</p>`}
      <ul class="rows" aria-label=${t("web.settings.page.backups")}>
        ${told.backups.map((kept) => html`<${Row} key=${kept.name} kept=${kept} changed=${load} />`)}
      </ul>
    </section>
    ${told.replaced.length > 0 && html`<section aria-labelledby="replaced-title">
      <h2 id="replaced-title">${t("web.backups.replaced")}</h2>
      <p class="quiet">${t("web.backups.replaced_about")}</p>
      <ul class="rows" aria-label=${t("web.backups.replaced")}>${told.replaced.map((kept) => html`<${Row} key=${kept.name} kept=${kept} changed=${load} aside />`)}</ul>
    </section>`}`;
}

/** @param {{kept: KeptBackup}} props */
function Words({ kept }) {
  return html`<span><span class="model-title path">${kept.name}</span> <small class="quiet">${when(kept.created_at)} · ${asBytes(kept.size)}</small></span>`;
}

/** @param {{kept: KeptBackup, changed: () => Promise<any>}} props */
function Remove({ kept, changed }) {
  const remove = () => confirm(t("web.backups.remove_sure", { name: kept.name })) && api.remove(`/backups/${kept.name}`).then(changed, tellError);
  return html`<${Press} class="button button-quiet" aria-label=${t("web.backups.remove_named", { name: kept.name })} onClick=${remove}>${t("web.backups.remove")}<//>`;
}

/** `aside`: a folder of what a restore has replaced, which nothing can download. @param {{kept: KeptBackup, changed: () => Promise<any>, aside?: boolean}} props */
function Row({ kept, changed, aside = false }) {
  const [asked, setAsked] = useState(false);
  return html`<li class="settings-row">
    <${Words} kept=${kept} />
    <span class="row">
      ${!aside && html`<a class="button" href=${api.addressOf(`/backups/${kept.name}/file`)} download=${kept.name} aria-label=${t("web.backups.download_named", { name: kept.name })}>${t("web.backups.download")}</a>`}
      <button type="button" class="button" aria-expanded=${asked} aria-label=${t("web.backups.restore_named", { name: kept.name })} onClick=${() => setAsked(!asked)}>${t("web.backups.restore")}</button>
      <${Remove} kept=${kept} changed=${changed} />
    </span>
    ${asked && html`<${Restore} name=${kept.name} close=${() => setAsked(false)} done=${changed} />`}
  </li>`;
}
