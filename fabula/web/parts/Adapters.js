// The traits of the open chat as sliders: adapters and control vectors, each with its scale here. Knows no file.
// @ts-check
import { useEffect } from "preact/hooks";
import { chat, page } from "../state/chat.js";
import { drag, keepForCharacter, keyOf, loadTraits, ownScale, scaleOf, setScale, silenced, traits } from "../state/traits.js";
import { busy } from "../state/turn.js";
import { begin } from "../state/why.js";
import { t } from "../texts.js";
import { html } from "./html.js";

/** @import { Trait } from "../types.d.ts" */

const MOST = 2;
const STEP = 0.05;
const DETENT = 0.1; // closer to 0 than this is 0

export function Adapters() {
  const now = chat.value;
  const state = [now?.id, now?.model, now?.head_id].join(" ");
  useEffect(() => void (now && loadTraits(now.id, state)), [state]);
  const found = traits.value;
  if (!now || !found?.traits.length) return null;
  const isVector = found.traits.some((trait) => trait.kind === "vector");
  return html`<section class="block traits" aria-labelledby="traits-title">
    <h3 id="traits-title">${t("web.traits.title")}</h3>
    <datalist id="trait-detents"><option value="0"></option></datalist>
    ${found.traits.map((trait) => html`<${Scale} key=${now.id + keyOf(trait)} trait=${trait} />`)}
    <small class="quiet">${found.reread_tokens ? t("web.traits.reread", { tokens: found.reread_tokens }) : t("web.panel.adapters_about")}</small>
    ${isVector && html`<small class=${found.exact ? "knob-note warn" : "knob-note"}>${found.exact || t("web.traits.exact")}</small>`}
    <div class="traits-acts">
      <button type="button" class="link-button" disabled=${busy.value || !lastReply()} onClick=${compare}>${t("web.traits.compare")}</button>
      ${found.character && html`<button type="button" class="link-button" onClick=${() => keepForCharacter(false)}>${t("web.traits.keep", { name: found.character.name })}</button>`}
      ${found.character && Object.keys(found.character.traits).length > 0 && html`<button type="button" class="link-button" onClick=${() => keepForCharacter(true)}>${t("web.traits.forget", { name: found.character.name })}</button>`}
    </div>
  </section>`;
}

/** The last message, where it is a reply. */
const lastReply = () => (page.value.messages.at(-1)?.role === "assistant" ? page.value.messages.at(-1) : undefined);

/** The last reply without traits and with them, beside each other. */
function compare() {
  const last = lastReply();
  const all = traits.value?.traits ?? [];
  if (!last) return;
  const sides = [
    { words: t("web.traits.without"), changes: { sampling: silenced(all) } },
    { words: t("web.traits.with"), changes: {} },
  ];
  begin(last.id, sides, { blind: false });
}

/** @param {number} scale */
const words = (scale) => scale.toFixed(2).replace("-", "−");

/** @param {{trait: Trait}} props */
function Scale({ trait }) {
  const { title, usual, kind } = trait;
  const shown = scaleOf(trait);
  const own = ownScale(trait);
  const save = (/** @type {number} */ value) => setScale(trait, value);
  return html`<div class="knob">
    <div class="knob-line">
      <span class="label">${title} <small class="quiet">${t(`web.traits.${kind}`)}</small></span>
      <span class="tabular">${words(shown)}</span>
    </div>
    <span class="knob-track">
      <input class="knob-range" type="range" list="trait-detents" aria-label=${title} min=${-MOST} max=${MOST} step=${STEP} value=${shown} onInput=${(/** @type {any} */ event) => drag(trait, settled(event.target))} onChange=${(/** @type {any} */ event) => save(settled(event.target))} onDblClick=${() => save(usual)} />
    </span>
    ${own !== undefined && own !== usual && html`<button type="button" class="link-button" onClick=${() => save(usual)}>${t("web.panel.adapter_back", { scale: words(usual) })}</button>`}
  </div>`;
}

/** A pointer near 0 rests there; keys go step by step. @param {HTMLInputElement} input */
function settled(input) {
  const value = Number(input.value);
  return Math.abs(value) < DETENT && !input.matches(":focus-visible") ? 0 : value;
}
