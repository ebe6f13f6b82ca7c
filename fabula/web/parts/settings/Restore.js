// What putting a backup back will do, said before it is done. Knows no zip.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { loadChats } from "../../state/chats.js";
import { loadSystem } from "../../state/system.js";
import { FORMATS, t } from "../../texts.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";

/** @import { BackupInside } from "../../types.d.ts" */

/** @param {{name: string, close: () => void, done: () => Promise<any>}} props */
export function Restore({ name, close, done }) {
  const [inside, setInside] = useState(/** @type {BackupInside | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [working, setWorking] = useState(false);
  useEffect(() => void api.get(`/backups/${name}`).then(setInside, setError), [name]);
  const restore = async () => {
    setWorking(true);
    try {
      await api.post(`/backups/${name}/restore`);
      await done(); // answered when the studio is open again
      close();
      await Promise.all([loadSystem(), loadChats()]);
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
    setWorking(false);
  };
  if (error) return html`<div class="settings-under"><${Trouble} error=${error} /></div>`;
  if (!inside) return html`<p class="quiet settings-under" role="status">${t("web.backups.reading")}</p>`;
  return html`<div class="card settings-ask settings-under">
    <p>${t(inside.fabula ? "web.backups.will" : "web.backups.will_aside", { when: new Date(inside.created_at * 1000).toLocaleString(), version: inside.fabula })}</p>
    <div class="settings-wide"><table class="settings-table">
      <thead><tr><td></td><th scope="col" class="tabular">${t("web.backups.now")}</th><th scope="col" class="tabular">${t("web.backups.then")}</th></tr></thead>
      <tbody>${Object.keys(inside.holds).map((kind) => html`<tr key=${kind}><th scope="row">${t(`web.backups.kind_${kind}`)}</th><td class="tabular">${FORMATS.number(inside.now[kind] ?? 0)}</td><td class="tabular">${FORMATS.number(inside.holds[kind])}</td></tr>`)}</tbody>
    </table></div>
    <p>${t("web.backups.means")}</p>
    <div class="row">
      <button type="button" class="button button-main" disabled=${working} onClick=${restore}>${t(working ? "web.backups.restoring" : "web.backups.do")}</button>
      <button type="button" class="button" disabled=${working} onClick=${close}>${t("web.cancel")}</button>
    </div>
  </div>`;
}
