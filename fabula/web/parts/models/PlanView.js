// How a model would be loaded, as a picture that answers at once: context, cache, layers on the card, another
// quantization, what lies beside it, another machine. Knows one model's name and the studio's plan of it.
// @ts-check
import { useEffect, useMemo, useState } from "preact/hooks";
import * as api from "../../api.js";
import { begin } from "../../state/jobs.js";
import { contextsUpTo, newPlan, optionsOf } from "../../state/plan.js";
import { go } from "../../state/route.js";
import { jobs, loadSystem, system } from "../../state/system.js";
import { tell, tellError } from "../../state/toasts.js";
import { asBytes, language, t } from "../../texts.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { sentences } from "../words.js";
import { Beside } from "./Beside.js";
import { DeviceBars } from "./DeviceBars.js";

/** @import { DescribedModel, Fitted } from "../../types.d.ts" */
/** @typedef {import("../../state/plan.js").Plan} Plan */

const GIB = 2 ** 30;
const CARDS = [0, 6, 8, 12, 16, 24, 48, 80];
const KV_TYPES = ["f16", "q8_0", "q5_1", "q4_0", "bf16", "f32", "q5_0", "q4_1", "iq4_nl"];
const SLOTS = [1, 2, 4, 8];
const LONGEST = 131072; // tokens; where a model does not say what it was trained for

/** @param {{model: DescribedModel, changed: () => void}} props */
export function PlanView({ model, changed }) {
  const plan = useMemo(() => newPlan(model.name), [model.name]);
  useEffect(() => {
    plan.ask();
    return plan.close;
  }, [plan, language.value]);
  const speeds = jobs.value.filter((job) => job.kind === "speed" && job.state === "done").length;
  useEffect(() => void (plan.answer.peek() && plan.ask()), [speeds]);
  const answer = plan.answer.value;
  return html`<section class="plan" aria-labelledby="plan-title" aria-busy=${plan.pending.value}>
    <h2 id="plan-title">${t("web.plan.title")}</h2>
    ${plan.failure.value && html`<${Trouble} error=${plan.failure.value} retry=${plan.ask} />`}
    ${!answer && !plan.failure.value && html`<p class="quiet coming-tall">${t("web.loading")}</p>`}
    ${answer && html`
      <${Words} answer=${answer} isHere=${plan.question.value.vram < 0 && !plan.question.value.ram} />
      <${DeviceBars} plan=${answer.plan} />
      <${Controls} plan=${plan} answer=${answer} model=${model} />
      <${Notes} answer=${answer} />
      <${Verbs} plan=${plan} model=${model} changed=${changed} />
    `}
  </section>`;
}

/** @param {{answer: Fitted, isHere: boolean}} props */
function Words({ answer: { plan, speed, model }, isHere }) {
  const spare = Math.min(...plan.devices.map((device) => device.available - device.total));
  const verdict = t(`web.plan.verdict.${plan.verdict}`, { spare: Math.abs(spare), context: plan.context });
  return html`<div class="plan-words">
    <p class=${`plan-verdict verdict-${plan.verdict}`} role="status">${verdict}</p>
    ${speed && speed.written[1] > 0 ? html`<p class="tabular">${speedWords(speed)}</p>` : html`<${NoSpeed} name=${plan.model || model.name} isHere=${isHere} />`}
  </div>`;
}

/** @param {NonNullable<Fitted["speed"]>} speed */
function speedWords({ written, written_full: full, read }) {
  const [low, high] = written.map(rounded);
  const [fullLow, fullHigh] = full.map(rounded);
  const [readLow, readHigh] = read.map(rounded);
  return sentences([t("web.plan.writes", { low, high, full_low: fullLow, full_high: fullHigh }), readHigh ? t("web.plan.reads", { low: readLow, high: readHigh }) : ""]);
}

/** @param {number} rate tokens per second */
const rounded = (rate) => (rate < 10 ? Number(rate.toFixed(1)) : Math.round(rate));

/** What it costs to know it. @param {{name: string, isHere: boolean}} props */
function NoSpeed({ name, isHere }) {
  const busy = jobs.value.some((job) => job.kind === "speed" && (job.state === "queued" || job.state === "running"));
  const measure = () => begin("speed", { model: name }).catch(tellError);
  return html`<p class="quiet">${t("web.plan.no_speed")} ${isHere && html`<button type="button" class="link-button" disabled=${busy} onClick=${measure}>${t(busy ? "web.plan.measuring" : "web.plan.measure")}</button>`}</p>`;
}

/** @param {{plan: Plan, answer: Fitted, model: DescribedModel}} props */
function Controls({ plan, answer, model }) {
  const question = plan.question.value;
  const most = model.trained_context || LONGEST;
  const stops = contextsUpTo(Math.max(most, question.context));
  const context = question.context || answer.plan.context;
  const at = Math.max(0, stops.findIndex((stop) => stop >= context));
  const fits = answer.plan.largest_context;
  return html`<div class="plan-controls">
    <label class="plan-control plan-wide">
      <span class="row row-spread"><span class="label">${t("web.plan.context")}</span><span class="tabular">${t("web.finding.tokens", { tokens: context })}</span></span>
      <input type="range" min="0" max=${stops.length - 1} step="1" value=${at} aria-valuetext=${t("web.finding.tokens", { tokens: context })} onInput=${(/** @type {any} */ event) => plan.change({ context: stops[Number(event.target.value)] })} />
      <small class="quiet">${fits ? t("web.plan.largest", { context: fits }) : t("web.plan.none_fits")}</small>
    </label>
    <${Layers} plan=${plan} answer=${answer} />
    <label class="plan-control"><span class="label">${t("web.plan.kv")}</span>
      <select class="field" value=${question.kv_type || answer.plan.kv_type} onChange=${(/** @type {any} */ event) => plan.change({ kv_type: event.target.value })}>
        ${KV_TYPES.map((type) => html`<option key=${type} value=${type}>${type}</option>`)}
      </select></label>
    <label class="plan-control"><span class="label">${t("web.plan.slots")}</span>
      <select class="field" value=${String(question.slots)} onChange=${(/** @type {any} */ event) => plan.change({ slots: Number(event.target.value) })}>
        <option value="0">${t("web.plan.slots_open", { slots: answer.plan.slots })}</option>
        ${SLOTS.map((count) => html`<option key=${count} value=${String(count)}>${count}</option>`)}
      </select></label>
    <${Types} plan=${plan} model=${model} />
    <${Beside} plan=${plan} model=${model} />
    <${Elsewhere} plan=${plan} />
  </div>`;
}

/** How many layers lie on the card, where there is one. @param {{plan: Plan, answer: Fitted}} props */
function Layers({ plan, answer }) {
  const { gpu_layers: asked, vram } = plan.question.value;
  const cards = vram > 0 || (vram < 0 && (system.value?.machine.gpus.length ?? 0) > 0);
  if (!cards || !answer.layers) return null;
  const shown = asked !== null && asked >= 0 ? asked : answer.plan.gpu_layers;
  const words = t("web.plan.layers_of", { layers: shown, all: answer.layers });
  return html`<div class="plan-control plan-wide">
    <span class="row row-spread"><label class="label" for="plan-layers">${t("web.plan.layers")}</label><span class="tabular">${words}</span></span>
    <input id="plan-layers" type="range" min="0" max=${answer.layers} step="1" value=${shown} aria-valuetext=${words} onInput=${(/** @type {any} */ event) => plan.change({ gpu_layers: Number(event.target.value) })} />
    <label><input type="checkbox" checked=${asked === null || asked < 0} onChange=${(/** @type {any} */ event) => plan.change({ gpu_layers: event.target.checked ? -1 : shown })} /> ${t("web.plan.layers_open")}</label>
  </div>`;
}

/** The same model in another type, as Fabula would quantize it. @param {{plan: Plan, model: DescribedModel}} props */
function Types({ plan, model }) {
  const [types, setTypes] = useState(/** @type {{type: string, size: number}[]} */ ([]));
  useEffect(() => {
    let current = true;
    const nothing = () => null; // an engine without these functions plans the file as it is
    api.get(`/models/${encodeURIComponent(model.name)}/quantize`).then((told) => current && setTypes(told.types), nothing);
    return () => void (current = false);
  }, [model.name]);
  if (!types.length) return null;
  const chosen = plan.question.value.quantization;
  return html`<label class="plan-control"><span class="label">${t("web.plan.quantization")}</span>
    <select class="field" value=${chosen} onChange=${(/** @type {any} */ event) => plan.change({ quantization: event.target.value })}>
      <option value="">${t("web.plan.as_it_is", { type: model.quantization || model.format })}</option>
      ${types.map(({ type, size }) => html`<option key=${type} value=${type}>${type} · ${asBytes(size)}</option>`)}
    </select></label>`;
}

/** @param {{plan: Plan}} props */
function Elsewhere({ plan }) {
  const { vram, ram } = plan.question.value;
  const pick = (/** @type {string} */ text) => plan.change(text === "-1" ? { vram: -1, ram: 0 } : { vram: Number(text) * GIB });
  return html`<details class="fold plan-wide" open=${vram >= 0 || ram > 0}><summary>${t("web.plan.elsewhere")}</summary>
    <div class="plan-controls">
      <label class="plan-control"><span class="label">${t("web.finding.card")}</span>
        <select class="field" value=${vram < 0 ? "-1" : String(vram / GIB)} onChange=${(/** @type {any} */ event) => pick(event.target.value)}>
          <option value="-1">${t("web.plan.this_machine")}</option>
          ${CARDS.map((size) => html`<option key=${size} value=${String(size)}>${size ? asBytes(size * GIB) : t("web.finding.none")}</option>`)}
        </select></label>
      <label class="plan-control"><span class="label">${t("web.finding.memory")}</span>
        <select class="field" value=${String(ram / GIB)} onChange=${(/** @type {any} */ event) => plan.change({ ram: Number(event.target.value) * GIB })}>
          <option value="0">${t("web.plan.this_machine")}</option>
          ${[8, 16, 32, 64, 128].map((size) => html`<option key=${size} value=${String(size)}>${asBytes(size * GIB)}</option>`)}
        </select></label>
    </div></details>`;
}

/** @param {{answer: Fitted}} props */
function Notes({ answer: { plan, hints } }) {
  const notes = [...plan.reasons, ...plan.warnings, ...hints];
  return notes.length ? html`<ul class="reasons">${notes.map((note) => html`<li key=${note}>${note}</li>`)}</ul>` : null;
}

/** Load it so, keep it so, or make what was only planned. @param {{plan: Plan, model: DescribedModel, changed: () => void}} props */
function Verbs({ plan, model, changed }) {
  const [working, setWorking] = useState("");
  const question = plan.question.value;
  const path = `/models/${encodeURIComponent(model.name)}`;
  const run = async (/** @type {string} */ name, /** @type {() => Promise<any>} */ work) => {
    setWorking(name);
    await work().then(loadSystem).then(changed).catch(tellError);
    setWorking("");
  };
  const load = () => run("load", async () => {
    await api.post(`${path}/load`, { options: optionsOf(plan.question.peek()) });
    tell(t("web.plan.loaded", { name: model.name }));
  });
  const keep = () => run("keep", async () => {
    const { options } = await api.get(`${path}/options`); // as they are now: what is told of the model may be older
    await api.put(`${path}/options`, { options: { ...options, ...optionsOf(plan.question.peek()) } });
    tell(t("web.plan.kept", { name: model.name }));
  });
  if (question.vram >= 0 || question.ram) return html`<p class="quiet">${t("web.plan.only_planned")}</p>`;
  if (question.quantization) {
    const make = () => go(`#/lab/quantize/${encodeURIComponent(model.name)}/${question.quantization}`);
    return html`<div class="row"><button type="button" class="button button-main" onClick=${make}>${t("web.plan.make", { type: question.quantization })}</button></div>`;
  }
  return html`<div class="row">
    <button type="button" class="button button-main" disabled=${Boolean(working) || plan.answer.value?.plan.verdict === "no"} onClick=${load}>${t(working === "load" ? "web.plan.loading" : "web.plan.load")}</button>
    <button type="button" class="button" disabled=${Boolean(working)} onClick=${keep}>${t("web.plan.keep")}</button>
  </div>`;
}
