// A hub's repositories by words, and what one of them offers to this machine. Knows no download.
// @ts-check
import { useState } from "preact/hooks";
import { found, lookInto, offers, search, searchFailure, searchHub, searching } from "../state/finding.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";
import { OfferTable } from "./OfferTable.js";
import { Trouble } from "./Trouble.js";
import { parametersOf } from "./words.js";

/** @import { Found } from "../types.d.ts" */

export function HubSearch() {
  return html`<section aria-labelledby="hub-title">
    <h2 id="hub-title">${t("web.finding.search")}</h2>
    <p class="quiet">${t("web.finding.search_about")}</p>
    <${Form} />
    <${Results} />
  </section>`;
}

function Form() {
  const { text, hub, fits } = search.value;
  const set = (/** @type {Partial<typeof search.value>} */ changes) => (search.value = { ...search.value, ...changes });
  const ask = (/** @type {Event} */ event) => {
    event.preventDefault();
    searchHub();
  };
  return html`<form class="hub-form" onSubmit=${ask}>
    <label class="search"><${Icon} name="search" /><input
        type="search"
        class="field"
        placeholder=${t("web.finding.words")}
        aria-label=${t("web.finding.words")}
        maxlength="200"
        value=${text}
        onInput=${(/** @type {any} */ event) => set({ text: event.target.value })}
    /></label>
    <select class="field" aria-label=${t("web.finding.hub")} value=${hub} onChange=${(/** @type {any} */ event) => set({ hub: event.target.value })}>
      <option value="hf">Hugging Face</option>
      <option value="ms">ModelScope</option>
    </select>
    <button type="submit" class="button button-main" disabled=${searching.value || !text.trim()}>${t(searching.value ? "web.finding.asking" : "web.finding.ask")}</button>
    <label class="hub-fits"><input type="checkbox" checked=${fits} onChange=${(/** @type {any} */ event) => set({ fits: event.target.checked })} /> ${t("web.finding.fits")}</label>
  </form>`;
}

function Results() {
  if (searchFailure.value) return html`<${Trouble} error=${searchFailure.value} retry=${searchHub} />`;
  if (!found.value) return null;
  if (!found.value.length) return html`<p class="quiet" role="status">${t("web.finding.none_found")}</p>`;
  return html`<ul class="rows hub-rows">${found.value.map((one) => html`<${Row} key=${one.source} one=${one} />`)}</ul>`;
}

/** @param {{one: Found}} props */
function Row({ one }) {
  const [open, setOpen] = useState(false);
  const { name, source, verdict, gated, licence } = one;
  const toggle = () => {
    setOpen(!open);
    if (!open && !(source in offers.value)) lookInto(source);
  };
  const facts = [parametersOf(one.parameters), t("web.finding.fetched", { count: one.downloads }), one.updated, licence];
  return html`<li class="hub-row">
    <div class="hub-words">
      <span class="model-title">${name}</span>
      <span class="quiet">${facts.filter(Boolean).join(" · ")}</span>
      ${gated && html`<span class="notice">${t("web.finding.gated")}</span>`}
    </div>
    ${verdict && html`<span class=${`verdict verdict-${verdict}`}>${t(`web.verdict.${verdict}`)}</span>`}
    <button type="button" class="button" aria-expanded=${open} aria-label=${t("web.finding.files_of", { name })} onClick=${toggle}>
      <${Icon} name=${open ? "down" : "right"} />${t("web.finding.files")}
    </button>
    ${open && html`<${OfferTable} source=${source} />`}
  </li>`;
}
