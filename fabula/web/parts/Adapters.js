// The adapters of the open chat's model, each with its scale in this chat. Knows no file.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../api.js";
import { changeChat, chat } from "../state/chat.js";
import { tellError } from "../state/toasts.js";
import { t } from "../texts.js";
import { html } from "./html.js";

/** @import { Adapter } from "../types.d.ts" */

const MOST = 2;
const STEP = 0.05;
const DETENT = 0.1; // closer to 0 than this is 0

/** @param {Record<string, any>} sampling @returns {Record<string, number>} */
function scalesOf({ adapters = {} }) {
  return Array.isArray(adapters) ? Object.fromEntries(adapters) : adapters;
}

/** @param {{model: string, sampling: Record<string, any>}} props */
export function Adapters({ model, sampling }) {
  const [adapters, setAdapters] = useState(/** @type {Adapter[]} */ ([]));
  useEffect(() => {
    let current = true;
    const take = (/** @type {{adapters: Adapter[]}} */ got) => current && setAdapters(got.adapters);
    setAdapters([]);
    if (model) api.get(`/models/${encodeURIComponent(model)}/adapters`).then(take, tellError);
    return () => void (current = false);
  }, [model]);
  const usable = adapters.filter((adapter) => adapter.attached && !adapter.misfit && !adapter.problem);
  if (!usable.length) return null;
  const own = scalesOf(sampling);
  return html`<section class="block adapters" aria-labelledby="adapters-title">
    <h3 id="adapters-title">${t("web.panel.adapters")}</h3>
    <datalist id="adapter-detents"><option value="0"></option></datalist>
    ${usable.map((adapter) => html`<${Scale} key=${adapter.name} adapter=${adapter} own=${own[adapter.name]} />`)}
    <small class="quiet">${t("web.panel.adapters_about")}</small>
  </section>`;
}

/** @param {number} scale */
const words = (scale) => scale.toFixed(2).replace("-", "−");

/** @param {{adapter: Adapter, own: number | undefined}} props */
function Scale({ adapter: { name, title, scale }, own }) {
  const usual = scale ?? 1;
  const [moved, setMoved] = useState(/** @type {number | null} */ (null));
  const shown = moved ?? own ?? usual;
  const label = title || name;
  const save = (/** @type {number | undefined} */ value) => {
    setMoved(null);
    setScale(name, value === usual ? undefined : value);
  };
  return html`<div class="knob">
    <div class="knob-line">
      <span class="label">${label}</span>
      <span class="tabular">${words(shown)}</span>
    </div>
    <input class="knob-range" type="range" list="adapter-detents" aria-label=${label} min=${-MOST} max=${MOST} step=${STEP} value=${shown} onInput=${(/** @type {any} */ event) => setMoved(settled(event.target))} onChange=${(/** @type {any} */ event) => save(settled(event.target))} onDblClick=${() => save(undefined)} />
    ${own !== undefined && own !== usual && html`<button type="button" class="link-button" onClick=${() => save(undefined)}>${t("web.panel.adapter_back", { scale: words(usual) })}</button>`}
  </div>`;
}

/** A pointer near 0 rests there; keys go step by step. @param {HTMLInputElement} input */
function settled(input) {
  const value = Number(input.value);
  return Math.abs(value) < DETENT && !input.matches(":focus-visible") ? 0 : value;
}

/** @param {string} name @param {number | undefined} scale undefined: the usual one */
function setScale(name, scale) {
  return changeChat(() => {
    const { adapters: _, ...others } = chat.value?.sampling ?? {};
    const scales = { ...scalesOf(chat.value?.sampling ?? {}), [name]: scale };
    const said = Object.entries(scales).filter(([, value]) => value !== undefined);
    return { sampling: said.length ? { ...others, adapters: Object.fromEntries(said) } : others };
  });
}
