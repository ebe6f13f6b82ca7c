// What a card costs: always, for a greeting, while there is room, when a key is found. Knows no tokenizer.
// @ts-check
import { t } from "../../texts.js";
import { html } from "../html.js";
import { weighed } from "./weights.js";

const WHEN = /** @type {const} */ (["always", "greeting", "room", "key"]);
const USUAL_CONTEXT = 8192; // tokens, where no model is loaded

export function Tokens() {
  const now = weighed.value;
  if (!now) return html`<p class="quiet">${t("web.loading")}</p>`;
  const context = now.context || USUAL_CONTEXT;
  const share = Math.min(now.always / context, 1);
  return html`<p><strong>${t("web.card.always", { tokens: now.always })}</strong> ${t("web.card.of_context", { context, share: Math.round(share * 100) })}</p>
    <div class="meter card-meter" aria-hidden="true"><span style=${{ width: `${share * 100}%` }}></span></div>
    <p class="quiet">${now.estimated ? t("web.card.estimated") : t("web.card.counted", { model: now.model })}</p>
    ${WHEN.map((when) => html`<${Rows} key=${when} when=${when} />`)}
    <p class="quiet">${t("web.card.never")}</p>`;
}

/** @param {{when: string}} props */
function Rows({ when }) {
  const parts = (weighed.value?.parts ?? []).filter((part) => part.when === when);
  if (!parts.length) return null;
  return html`<table class="card-tokens">
    <caption>${t(`web.card.when_${when}`)}</caption>
    <tbody>${parts.map((part) => html`<tr key=${part.field}><th scope="row">${nameOf(part.field)}</th><td class="tabular">${part.tokens}</td></tr>`)}</tbody>
  </table>`;
}

/** "alternate_greetings.1" → "Greeting 3". @param {string} field */
export function nameOf(field) {
  const [name, number] = field.split(".");
  if (number === undefined) return t(`web.card.fields.${name}`);
  const n = Number(number) + (name === "alternate_greetings" ? 2 : 1);
  return t(`web.card.numbered.${name}`, { n });
}
