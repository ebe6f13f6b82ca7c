// What a chat's replies must not contain, one to a line. Knows the open chat's sampling, and no engine.
// @ts-check
import { setSampling } from "../state/presets.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { useHeld } from "./useHeld.js";

const BANNED = ["banned_strings", "banned_regexes"];

/** @typedef {Record<string, string[] | undefined>} Lists */

/** @param {{chat: string, own: Lists, preset: Lists}} props */
export function BannedTexts({ chat, own, preset }) {
  const count = BANNED.reduce((sum, name) => sum + (own[name] ?? preset[name] ?? []).length, 0);
  return html`<details class="panel-bans">
    <summary>${count ? t("web.panel.bans_count", { count }) : t("web.panel.bans")}</summary>
    ${BANNED.map((name) => html`<${Lines} key=${chat + name} name=${name} own=${own[name]} preset=${preset[name]} />`)}
    <small class="quiet">${t("web.panel.bans_about")}</small>
  </details>`;
}

/** @param {{name: string, own: string[] | undefined, preset: string[] | undefined}} props */
function Lines({ name, own, preset }) {
  const field = useHeld((own ?? preset ?? []).join("\n"));
  const save = (/** @type {any} */ event) => {
    const lines = event.target.value.split("\n").filter((/** @type {string} */ line) => line.trim());
    const isPresets = JSON.stringify(lines) === JSON.stringify(preset ?? []);
    setSampling(name, isPresets ? undefined : lines);
  };
  return html`<label class="block">
    <span class="label">${t(`web.panel.${name}`)}</span>
    <textarea ref=${field} class="field" rows="4" spellcheck="false" placeholder=${t(`web.panel.${name}_placeholder`)} onChange=${save}></textarea>
  </label>`;
}
