// The sets that ship, which way round, and a few prompts of each side. Knows no form.
// @ts-check
import { t } from "../../texts.js";
import { html } from "../html.js";
import { polesOf } from "./words.js";

/** @import { ShippedSet } from "../../types.d.ts" */

/** @param {string} name */
const turned = (name) => name.split("-").reverse().join("-");

/** @param {{sets: ShippedSet[], value: string, change: (name: string) => void}} props `value` may be a set the other way round; "" = the first */
export function ShippedSets({ sets, value, change }) {
  const set = sets.find(({ name }) => name === value || turned(name) === value) ?? sets[0];
  if (!set) return html`<p class="quiet">${t("web.loading")}</p>`;
  const isTurned = value !== "" && value !== set.name;
  const chosen = isTurned ? turned(set.name) : set.name;
  const sides = isTurned ? [set.examples.negative, set.examples.positive] : [set.examples.positive, set.examples.negative];
  return html`<div class="block">
    <label class="block"><span class="label">${t("web.directions.set")}</span>
      <select class="field" value=${set.name} onChange=${(/** @type {any} */ event) => change(event.target.value)}>
        ${sets.map(({ name }) => html`<option key=${name} value=${name}>${t("web.directions.pair", pair(name))}</option>`)}
      </select></label>
    <div class="direction-sides">${polesOf(chosen).map((pole, number) => html`<div key=${number}>
      <h3>${number ? "−" : "+"} ${pole}</h3><ul class="reasons">${sides[number].map((text) => html`<li key=${text}>${text}</li>`)}</ul>
    </div>`)}</div>
    <div class="row row-spread"><small class="quiet">${t("web.directions.counted", { prompts: set.learned + set.held_out, learned: set.learned, held_out: set.held_out })}</small>
      <button type="button" class="link-button" onClick=${() => change(turned(chosen))}>${t("web.directions.turn")}</button></div>
  </div>`;
}

/** @param {string} name */
function pair(name) {
  const [one, other] = polesOf(name);
  return { one, other };
}
