// Which well-known models suit a task on a machine: the best first, why, and what was ruled out. Knows no hub.
// @ts-check
import { useState } from "preact/hooks";
import { advice, advise, adviceFailure, downloads, fetchModel, GIB, HERE, wish, wishFor } from "../state/finding.js";
import { system } from "../state/system.js";
import { asBytes, t } from "../texts.js";
import { html } from "./html.js";
import { Icon, Press } from "./Icon.js";
import { meaningOf, Quantizations } from "./Quantizations.js";
import { Trouble } from "./Trouble.js";
import { parametersOf } from "./words.js";

/** @import { Advised } from "../types.d.ts" */

const SHOWN = 6;
const TASKS = /** @type {const} */ (["chat", "roleplay", "story", "code"]);
const LANGUAGES = ["", "en", "zh", "ja", "ko", "de", "fr", "es", "ru", "pt", "it"];
const CONTEXTS = [4096, 8192, 16384, 32768, 65536, 131072];
const CARDS = [0, 6, 8, 10, 12, 16, 24, 32, 48, 80];
const MEMORIES = [8, 16, 32, 64, 96, 128];
const SIZES = [2, 4, 8, 12, 16, 24, 48]; // GiB at most

export function Recommended() {
  return html`<section aria-labelledby="recommended-title">
    <h2 id="recommended-title">${t("web.finding.recommended")}</h2>
    <${Wishes} />
    <${Answer} />
  </section>`;
}

function Wishes() {
  const { task, language, context, vram, ram } = wish.value;
  const machine = system.value?.machine;
  const card = machine?.gpus[0]?.memory ?? 0;
  const as = (/** @type {number} */ bytes) => (bytes ? t("web.finding.here_bytes", { bytes }) : t("web.finding.here_none"));
  return html`<div class="wishes">
    <fieldset class="choice wishes-task">
      <legend>${t("web.finding.task")}</legend>
      <div class="choice-options">
        ${TASKS.map(
          (name) => html`<label key=${name}><input type="radio" name="task" checked=${task === name} onChange=${() => wishFor({ task: name })} /><span>${t(`web.finding.tasks.${name}`)}</span></label>`,
        )}
      </div>
    </fieldset>
    <${Pick} label=${t("web.finding.language")} value=${language} onPick=${(/** @type {string} */ value) => wishFor({ language: value })} options=${LANGUAGES.map((code) => [code, languageName(code)])} />
    <${Pick} label=${t("web.finding.context")} value=${context} onPick=${(/** @type {string} */ value) => wishFor({ context: Number(value) })} options=${CONTEXTS.map((tokens) => [tokens, t("web.finding.tokens", { tokens })])} />
    <${Pick} label=${t("web.finding.card")} value=${vram} onPick=${(/** @type {string} */ value) => wishFor({ vram: Number(value) })} options=${[[HERE, as(card)], ...CARDS.map((size) => [size, size ? asBytes(size * GIB) : t("web.finding.none")])]} />
    <${Pick} label=${t("web.finding.memory")} value=${ram} onPick=${(/** @type {string} */ value) => wishFor({ ram: Number(value) })} options=${[[HERE, as(machine?.memory ?? 0)], ...MEMORIES.map((size) => [size, asBytes(size * GIB)])]} />
  </div>`;
}

/** "" is any; each language by its own name. @param {string} code */
const languageName = (code) => (code ? (new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code) : t("web.finding.any_language"));

/** @param {{label: string, value: string | number, options: [string | number, string][], onPick: (value: string) => void}} props */
function Pick({ label, value, options, onPick }) {
  return html`<label class="pick"><span>${label}</span>
    <select class="field" aria-label=${label} value=${String(value)} onChange=${(/** @type {any} */ event) => onPick(event.target.value)}>
      ${options.map(([name, words]) => html`<option key=${name} value=${String(name)}>${words}</option>`)}
    </select>
  </label>`;
}

function Answer() {
  const [all, setAll] = useState(false);
  const [called, setCalled] = useState("");
  const [largest, setLargest] = useState(0);
  if (adviceFailure.value) return html`<${Trouble} error=${adviceFailure.value} retry=${advise} />`;
  if (!advice.value) return html`<p class="quiet coming-tall">${t("web.loading")}</p>`;
  const { rule, basis } = advice.value;
  const wanted = (/** @type {Advised} */ one) => one.name.toLowerCase().includes(called.trim().toLowerCase()) && (!largest || one.size <= largest * GIB);
  const [best, out] = [advice.value.best.filter(wanted), advice.value.out.filter(wanted)];
  const shown = all ? best : best.slice(0, SHOWN);
  return html`
    <div class="wishes narrowing">
      <label class="pick pick-name"><span>${t("web.finding.called")}</span><input type="search" class="field" value=${called} onInput=${(/** @type {any} */ event) => setCalled(event.target.value)} /></label>
      <${Pick} label=${t("web.finding.largest")} value=${largest} onPick=${(/** @type {string} */ value) => setLargest(Number(value))} options=${[[0, t("web.finding.any_size")], ...SIZES.map((size) => [size, asBytes(size * GIB)])]} />
    </div>
    ${best.length ? html`<ol class="cards advised">${shown.map((one) => html`<${Card} key=${one.name} one=${one} />`)}</ol>` : html`<p class="statement">${t("web.finding.nothing")}</p>`}
    ${best.length > SHOWN && html`<button type="button" class="button button-quiet" onClick=${() => setAll(!all)}>${all ? t("web.finding.fewer") : t("web.finding.more", { count: best.length - SHOWN })}</button>`}
    <details class="fold"><summary>${t("web.finding.rule")}</summary><p class="quiet">${rule} ${basis}</p></details>
    <details class="fold"><summary>${t("web.finding.out", { count: out.length })}</summary>
      <dl class="ruled-out">${out.map((one) => html`<div key=${one.name}><dt>${one.name}</dt><dd class="quiet">${one.why.join(" ")}</dd></div>`)}</dl>
    </details>
    <${Quantizations} />
  `;
}

/** @param {{one: Advised}} props */
function Card({ one }) {
  const { name, source, size, verdict, why, context, speed } = one;
  const facts = [parametersOf(one.parameters), one.quantization, t("web.finding.tokens", { tokens: context }), one.licence];
  const waits = downloads.value.some((download) => download.source === source);
  const [low, high] = (speed?.written ?? [0, 0]).map(Math.round);
  return html`<li class="card">
    <h3>${name}</h3>
    <p class="quiet" title=${meaningOf(one.quantization)}>${facts.filter(Boolean).join(" · ")}</p>
    <p class=${`verdict verdict-${verdict}`}>${t(`web.verdict.${verdict}`)}${high > 0 && html`<span class="quiet tabular"> · ${t("web.finding.speed", { low, high })}</span>`}</p>
    <ul class="reasons">${why.map((words) => html`<li key=${words}>${words}</li>`)}</ul>
    ${source
      ? html`<${Press} class="button" disabled=${waits} onClick=${() => fetchModel(source)}>
          <${Icon} name="get" />${waits ? t("web.home.getting") : t(one.approximate ? "web.finding.get_about" : "web.home.get", { size: asBytes(size) })}
        <//>`
      : html`<p class="quiet">${t("web.finding.nowhere")}</p>`}
  </li>`;
}
