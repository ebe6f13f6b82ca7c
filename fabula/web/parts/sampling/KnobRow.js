// One control: its value, what it does, where it is set, the way back. Knows the open chat's values, and no engine.
// @ts-check
import { drag, holds, same, set, waitsFor, without } from "../../state/sampling.js";
import { hasText, t } from "../../texts.js";
import { html } from "../html.js";
import { useHeld } from "../useHeld.js";
import { parsed, written } from "./values.js";
import { Steps } from "./Steps.js";

/** @import { Knob } from "../../types.d.ts" */

const LISTS = ["texts", "biases", "long_text"];

/** @param {{knob: Knob}} props */
export function KnobRow({ knob }) {
  const { value, where } = holds(knob);
  const waits = waitsFor(knob);
  return html`<div class="knob" role="group" aria-label=${knob.title}>
    <${Control} knob=${knob} value=${value} />
    <small class="quiet">${knob.about}</small>
    <div class="knob-where">
      <span class=${`knob-from knob-from-${where}`}>${t(`web.sampling.from_${where}`)}</span>
      ${where === "chat" && html`<button type="button" class="link-button" onClick=${() => set(knob, undefined)}>${t("web.sampling.back", { value: shown(knob, without(knob)) })}</button>`}
      ${hasNeutral(knob, value) && html`<button type="button" class="link-button" onClick=${() => set(knob, knob.neutral)}>${t("web.sampling.neutral", { value: shown(knob, knob.neutral) })}</button>`}
    </div>
    ${knob.heeded !== "yes" && html`<small class=${knob.heeded === "no" ? "knob-note warn" : "knob-note"}>${t(`web.sampling.heeded_${knob.heeded}`)}</small>`}
    ${waits && html`<small class="knob-note">${t("web.sampling.waits", { name: waits.title })}</small>`}
  </div>`;
}

/** Whether it can be switched off, and is not. @param {Knob} knob @param {any} value */
const hasNeutral = (knob, value) => knob.neutral !== null && !same(value, knob.neutral) && knob.kind !== "steps";

/** A value as it stands in a sentence. @param {Knob} knob @param {any} value */
function shown(knob, value) {
  if (value === null || value === undefined) return usually(knob);
  if (typeof value === "boolean") return t(value ? "web.sampling.yes" : "web.sampling.no");
  const text = written(knob.kind, value).replaceAll("\n", " ");
  return text === "" ? t("web.sampling.empty") : text.length > 24 ? `${text.slice(0, 24)}…` : text;
}

/** What holds where nothing is set. @param {Knob} knob */
const usually = ({ name }) => (hasText(`web.panel.${name}_usual`) ? t(`web.panel.${name}_usual`) : t("web.sampling.empty"));

/** @param {{knob: Knob, value: any}} props */
function Control({ knob, value }) {
  if (knob.kind === "switch" || knob.kind === "either") return html`<${Switch} knob=${knob} value=${value} />`;
  if (knob.kind === "choice") return html`<${Choice} knob=${knob} value=${value} />`;
  if (knob.kind === "steps") return html`<${Steps} knob=${knob} value=${value} />`;
  if (knob.kind === "number" || knob.kind === "whole") return html`<${NumberField} knob=${knob} value=${value} />`;
  return html`<${TextField} knob=${knob} value=${value} />`;
}

/** @param {{knob: Knob, value: number | null}} props */
function NumberField({ knob, value }) {
  const { name, title, slider, least, most, kind, neutral } = knob;
  const field = useHeld(value ?? "");
  const save = (/** @type {any} */ event) => {
    if (!event.target.reportValidity()) return;
    const typed = event.target.value;
    set(knob, typed === "" ? undefined : Number(typed));
  };
  const mark = slider && typeof neutral === "number" && neutral >= slider.low && neutral <= slider.high;
  const place = mark ? { "--mark": String((neutral - slider.low) / (slider.high - slider.low)) } : {};
  return html`<label class="knob-line">
      <span class="label">${title}</span>
      <input ref=${field} class="field knob-number" type="number" min=${least} max=${most} step=${kind === "whole" ? 1 : "any"} placeholder=${value === null ? usually(knob) : ""} onChange=${save} />
    </label>
    ${slider && html`<span class=${mark ? "knob-track knob-marked" : "knob-track"} style=${place} title=${mark ? t("web.sampling.neutral_at", { value: neutral }) : ""}>
      <input class="knob-range" type="range" aria-label=${title} min=${slider.low} max=${slider.high} step=${slider.step} value=${value ?? slider.low} onInput=${(/** @type {any} */ event) => drag(name, Number(event.target.value))} onChange=${save} onDblClick=${() => set(knob, undefined)} />
    </span>`}`;
}

/** @param {{knob: Knob, value: boolean | null}} props */
function Switch({ knob, value }) {
  return html`<label class="knob-line"><span class="label">${knob.title}</span>
    <input type="checkbox" class="knob-switch" checked=${Boolean(value)} onChange=${(/** @type {any} */ event) => set(knob, event.target.checked)} /></label>`;
}

/** @param {{knob: Knob, value: number}} props */
function Choice({ knob, value }) {
  const choices = Array.from({ length: (knob.most ?? 0) - (knob.least ?? 0) + 1 }, (_, number) => (knob.least ?? 0) + number);
  return html`<label class="knob-line"><span class="label">${knob.title}</span>
    <select class="field knob-number" value=${String(value)} onChange=${(/** @type {any} */ event) => set(knob, Number(event.target.value))}>
      ${choices.map((choice) => html`<option key=${choice} value=${String(choice)}>${choice === knob.neutral ? t("web.sampling.off") : choice}</option>`)}
    </select></label>`;
}

/** @param {{knob: Knob, value: any}} props */
function TextField({ knob, value }) {
  const save = (/** @type {any} */ event) => {
    const read = parsed(knob.kind, event.target.value);
    event.target.setCustomValidity(read === null ? t("web.sampling.unreadable") : "");
    if (event.target.reportValidity() && read !== null) set(knob, read);
  };
  const field = useHeld(written(knob.kind, value));
  return html`<label class="block"><span class="label">${knob.title}</span>
    ${LISTS.includes(knob.kind)
      ? html`<textarea ref=${field} class="field" rows="3" spellcheck="false" onChange=${save}></textarea>`
      : html`<input ref=${field} class="field" spellcheck="false" onChange=${save} />`}
  </label>`;
}
