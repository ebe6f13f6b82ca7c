// Settings: how this browser likes it, then the studio's own settings, each saved as it is changed.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { Remotes } from "../parts/Remotes.js";
import { SettingRow } from "../parts/SettingRow.js";
import { Trouble } from "../parts/Trouble.js";
import { html } from "../parts/html.js";
import * as api from "../api.js";
import { READINGS, THEMES, enterSends, reading, theme } from "../state/prefs.js";
import { system } from "../state/system.js";
import { tell, tellError } from "../state/toasts.js";
import { LANGUAGES, LANGUAGE_NAMES, asBytes, chosenLanguage, hasText, language, setLanguage, t } from "../texts.js";

/** @import { Setting } from "../types.d.ts" */

export function Settings() {
  return html`<main class="page" id="main">
    <h1>${t("web.nav.settings")}</h1>
    <${Browser} />
    <${Remotes} />
    <${Studio} />
    <${About} />
  </main>`;
}

function Browser() {
  const languages = [["", t("web.settings.as_browser")], ...LANGUAGES.map((name) => [name, LANGUAGE_NAMES[name]])];
  return html`<section aria-labelledby="browser-title">
    <h2 id="browser-title">${t("web.settings.browser")}</h2>
    <${Choice} label=${t("web.settings.language")} value=${chosenLanguage.value} options=${languages} change=${(/** @type {string} */ name) => setLanguage(name).catch(tellError)} />
    <${Choice} label=${t("web.settings.theme")} value=${theme.value} options=${THEMES.map((name) => [name, t(`web.settings.theme_${name}`)])} change=${(/** @type {string} */ name) => (theme.value = name)} />
    <${Choice} label=${t("web.settings.reading")} value=${reading.value} options=${READINGS.map((name) => [name, t(`web.settings.reading_${name}`)])} change=${(/** @type {string} */ name) => (reading.value = name)} />
    <label class="setting setting-check">
      <input type="checkbox" checked=${enterSends.value === "yes"} onChange=${(/** @type {any} */ event) => (enterSends.value = event.target.checked ? "yes" : "no")} />
      <span><span class="label">${t("web.settings.enter")}</span><small class="quiet">${t("web.settings.enter_about")}</small></span>
    </label>
  </section>`;
}

/** @param {{label: string, value: string, options: string[][], change: (name: string) => void}} props */
function Choice({ label, value, options, change }) {
  return html`<fieldset class="setting choice">
    <legend class="label">${label}</legend>
    <div class="choice-options">
      ${options.map(
        ([name, words]) => html`<label key=${name} lang=${name.startsWith("zh") ? name : undefined}>
          <input type="radio" name=${label} checked=${name === value} onChange=${() => change(name)} /><span>${words}</span>
        </label>`,
      )}
    </div>
  </fieldset>`;
}

function Studio() {
  const [settings, setSettings] = useState(/** @type {Setting[] | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const load = () => api.get("/settings").then((got) => (setSettings(got.settings), setError(null)), setError);
  useEffect(() => void load(), [language.value]);
  if (error) return html`<${Trouble} error=${error} retry=${load} />`;
  if (!settings) return html`<p class="quiet">${t("web.loading")}</p>`;
  return groups(settings).map(
    ([group, list]) => html`<section key=${group} aria-label=${groupTitle(group)}>
      <h2>${groupTitle(group)}</h2>
      ${list.map((setting) => html`<${SettingRow} key=${setting.name} setting=${setting} saved=${setSettings} />`)}
    </section>`,
  );
}

/** @param {Setting[]} settings @returns {[string, Setting[]][]} */
function groups(settings) {
  const groupOf = (/** @type {Setting} */ { name }) => (name.includes(".") ? name.split(".")[0] : "studio");
  const names = [...new Set(settings.map(groupOf))];
  return names.map((name) => [name, settings.filter((setting) => groupOf(setting) === name)]);
}

/** @param {string} group */
function groupTitle(group) {
  const key = `web.settings.group.${group}`;
  return hasText(key) ? t(key) : group;
}

function About() {
  const [working, setWorking] = useState(false);
  const backup = async () => {
    setWorking(true);
    const told = api.post("/backup").then((made) => tell(t("web.settings.backup_done", { path: made.path, size: asBytes(made.size) })), tellError);
    await told;
    setWorking(false);
  };
  return html`<section aria-labelledby="about-title">
    <h2 id="about-title">${t("web.settings.about")}</h2>
    <dl class="facts-details">
      <dt>${t("web.settings.version")}</dt><dd>${system.value?.version}</dd>
      <dt>${t("web.settings.home")}</dt><dd class="path">${system.value?.home}</dd>
    </dl>
    <div class="row">
      <button type="button" class="button" disabled=${working} onClick=${backup}>${t("web.settings.backup")}</button>
      <small class="quiet">${t("web.settings.backup_about")}</small>
    </div>
  </section>`;
}
