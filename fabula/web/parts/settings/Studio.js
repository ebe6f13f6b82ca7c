// All of config.toml, by group, each saved as it is changed. Knows no setting by name.
// @ts-check
import { html } from "../html.js";
import { hasText, t } from "../../texts.js";
import { SettingRow } from "../SettingRow.js";
import { Trouble } from "../Trouble.js";
import { Restart } from "./Restart.js";
import { useSettings } from "./useSettings.js";

/** @import { Setting } from "../../types.d.ts" */

export function Studio() {
  const { settings, error, load, saved } = useSettings();
  if (error && !settings) return html`<${Trouble} error=${error} retry=${load} />`;
  if (!settings) return html`<p class="quiet">${t("web.loading")}</p>`;
  const waiting = settings.filter((setting) => setting.waits);
  return html`
    <p class="quiet">${t("web.settings.studio_about")}</p>
    ${waiting.length > 0 && html`<div class="statement"><p role="status">${t("web.settings.waiting", { names: waiting.map(({ name }) => name).join(", ") })}</p><${Restart} done=${load} /></div>`}
    ${groups(settings).map(([group, list]) => html`<section key=${group} aria-label=${groupTitle(group)}>
      <h2>${groupTitle(group)}</h2>
      ${list.map((setting) => html`<${SettingRow} key=${setting.name} setting=${setting} saved=${saved} />`)}
    </section>`)}`;
}

/** @param {Setting[]} settings @returns {[string, Setting[]][]} */
export function groups(settings) {
  const groupOf = (/** @type {Setting} */ { name }) => (name.includes(".") ? name.split(".")[0] : "studio");
  const names = [...new Set(settings.map(groupOf))];
  return names.map((name) => [name, settings.filter((setting) => groupOf(setting) === name)]);
}

/** @param {string} group */
function groupTitle(group) {
  const key = `web.settings.group.${group}`;
  return hasText(key) ? t(key) : group;
}
