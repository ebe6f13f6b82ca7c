// The language of this browser, and how Enter behaves in it. Knows no text's content.
// @ts-check
import { enterSends } from "../../state/prefs.js";
import { tellError } from "../../state/toasts.js";
import { LANGUAGES, LANGUAGE_NAMES, chosenLanguage, setLanguage, t } from "../../texts.js";
import { html } from "../html.js";
import { Choice, Switch } from "./Choice.js";

export function Language() {
  const languages = [["", t("web.settings.as_browser")], ...LANGUAGES.map((name) => [name, LANGUAGE_NAMES[name]])];
  return html`<section aria-labelledby="language-title">
    <h2 id="language-title">${t("web.settings.page.language")}</h2>
    <p class="quiet">${t("web.settings.language_about")} <a href="#/settings/studio">${t("web.settings.page.studio")}</a></p>
    <${Choice} label=${t("web.settings.language")} value=${chosenLanguage.value} options=${languages} change=${(/** @type {string} */ name) => setLanguage(name).catch(tellError)} />
    <${Switch} label=${t("web.settings.enter")} about=${t("web.settings.enter_about")} checked=${enterSends.value === "yes"} change=${(/** @type {boolean} */ on) => (enterSends.value = on ? "yes" : "no")} />
  </section>`;
}
