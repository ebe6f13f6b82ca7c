// What the search of the settings finds: pages and single settings. Knows no setting by name.
// @ts-check
import { t } from "../../texts.js";
import { html } from "../html.js";
import { SettingRow } from "../SettingRow.js";
import { useSettings } from "./useSettings.js";

/** @param {{words: string, pages: string[], clear: () => void}} props */
export function Found({ words, pages, clear }) {
  const { settings, saved } = useSettings();
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (/** @type {string} */ text) => parts.every((part) => text.toLowerCase().includes(part));
  const found = pages.filter((name) => fits(`${t(`web.settings.page.${name}`)} ${t(`web.settings.holds.${name}`)}`));
  const rows = (settings ?? []).filter(({ name, about }) => fits(`${name} ${about}`));
  const nothing = settings && !found.length && !rows.length;
  return html`<section aria-label=${t("web.settings.found")} aria-live="polite">
    ${nothing && html`<p class="quiet">${t("web.settings.nothing", { words })} <button type="button" class="link-button" onClick=${clear}>${t("web.settings.clear")}</button></p>`}
    ${found.length > 0 && html`<ul class="rows settings-found">
      ${found.map((name) => html`<li key=${name}><a href=${`#/settings/${name}`} onClick=${clear}>${t(`web.settings.page.${name}`)}</a> <small class="quiet">${t(`web.settings.holds.${name}`)}</small></li>`)}
    </ul>`}
    ${rows.map((setting) => html`<${SettingRow} key=${setting.name} setting=${setting} saved=${saved} />`)}
  </section>`;
}
