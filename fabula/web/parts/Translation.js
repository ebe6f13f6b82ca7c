// A message in another language, under what was said. Knows one translation.
// @ts-check
import { dropTranslation } from "../state/translations.js";
import { language, t } from "../texts.js";
import { html } from "./html.js";
import { IconButton } from "./Icon.js";
import { Markdown } from "./Markdown.js";

/** "zh-Hant" → "Traditional Chinese", in the reader's language. @param {string} tag */
export const languageName = (tag) => new Intl.DisplayNames([language.value], { type: "language" }).of(tag) ?? tag;

/** @param {{one: import("../state/translations.js").Translated}} props */
export function Translation({ one }) {
  const name = languageName(one.language);
  return html`<section class="translation" aria-label=${t("web.translate.label", { language: name })} lang=${one.language}>
    <div class="row row-spread"><small class="quiet" lang=${language.value}>${t("web.translate.label", { language: name })}</small>
      <${IconButton} icon="close" label=${t("web.translate.drop")} onClick=${() => dropTranslation(one)} /></div>
    <${Markdown} text=${one.text} />
  </section>`;
}
