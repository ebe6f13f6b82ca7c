// What came of a job: in words where its kind is known, else every figure under its name. Knows results, no recipe.
// @ts-check
import { asBytes, asDuration, hasText, t } from "../../texts.js";
import { html } from "../html.js";
import { later } from "../later.js";
import { short } from "../plots/scale.js";

/** @import { JobPage } from "../../types.d.ts" */
/** @typedef {Record<string, any>} Result */

const MeasuredProbes = later(() => import("../evals/MeasuredProbes.js"), "MeasuredProbes", "evals.css");

/** @param {{page: JobPage}} props */
export function ResultOf({ page: whole }) {
  const { kind, result } = whole;
  const Known = KNOWN[kind];
  if (!Object.keys(result).length) return null;
  return html`<section aria-labelledby="result-title"><h2 id="result-title">${t("web.result.title")}</h2>
    ${Known && html`<${Known} result=${result} page=${whole} />`}
    ${!Known && html`<${Figures} result=${result} />`}
  </section>`;
}

/** @param {string} name */
const page = (name) => html`<a href=${`#/models/${encodeURIComponent(name)}`}>${name}</a>`;

/** @param {{result: Result}} props */
const Got = ({ result }) => html`<p>${t("web.result.on_the_shelf")} ${page(result.name)}</p>`;

/** @param {{result: Result}} props */
function Quantized({ result }) {
  const { measured } = result;
  return html`
    <p>${t("web.result.quantized", { type: result.type ?? "", size: result.file_size ?? result.size ?? 0, was: result.source_size ?? 0 })} ${page(result.name)}</p>
    ${measured?.kl !== undefined && html`<p>${t("web.result.cost", { kl: short(measured.kl), same: measured.same_top, perplexity: short(measured.perplexity), before: short(measured.source_perplexity) })}</p>`}
    ${measured?.error && html`<p class="notice">${t("web.result.not_measured")}</p>`}
    <${Figures} result=${pick(result, ["bits", "source_bits", "narrow", "importance", "seconds"])} />
    ${measured?.probes && html`<${MeasuredProbes} measured=${measured} />`}`;
}

/** @param {{result: Result}} props */
function Tuned({ result }) {
  const { options, ratio, offers, stored } = result;
  const values = Object.entries(options ?? {}).map(([name, value]) => `${name} ${value}`).join(", ");
  return html`
    <p>${!stored ? t("web.result.busy") : values ? t("web.result.tuned", { values, share: 1 - ratio }) : t("web.result.tuned_nothing")}</p>
    ${(offers ?? []).map((/** @type {any} */ offer) => html`<p class="quiet">${t(`web.result.offer.${offer.why}`, { value: `${offer.name} ${offer.value}`, share: 1 - offer.ratio })}</p>`)}`;
}

/** @param {{result: Result}} props */
function Verified({ result }) {
  return html`<p class=${result.sound ? "good" : "bad"}>${t(result.sound ? "web.result.sound" : "web.result.unsound")}</p>
    <div class="table-scroll"><table class="plain-table"><thead><tr><th>${t("web.result.file")}</th><th>${t("web.result.state")}</th></tr></thead>
      <tbody>${(result.files ?? []).map((/** @type {any} */ row) => html`<tr key=${row.model + row.file}><td class="path">${row.file}</td><td>${t(`cli.verify.states.${row.state}`)}</td></tr>`)}</tbody></table></div>`;
}

/** @param {{result: Result}} props */
const Learned = ({ result }) => html`<p>${t("web.result.direction")} <a href=${`#/directions/${encodeURIComponent(result.name)}`}>${result.name}</a></p>`;

/** @param {{page: JobPage}} props */
const Edited = ({ page: { id, result } }) => html`<p>${t("web.result.direction_written")} <a href=${`#/directions/${encodeURIComponent(result.direction)}/written/${id}`}>${result.name}</a></p>`;

/** @param {{page: JobPage}} props */
const SearchedFor = ({ page: { id, result } }) => html`<p>${t("web.result.direction_searched", { count: result.trials.length, best: result.front.length })} <a href=${`#/directions/${encodeURIComponent(result.direction)}/searched/${id}`}>${result.direction}</a></p>`;

/** @param {{page: JobPage}} props */
const Probed = ({ page: { id, title } }) => html`<p>${t("web.evals.to_scores")} <a href=${`#/evals/${id}`}>${title}</a></p>`;

/** @type {Record<string, any>} */
const KNOWN = { probes: Probed, pull: Got, quantize: Quantized, tune: Tuned, verify: Verified, direction: Learned, direction_write: Edited, direction_search: SearchedFor };

/** @param {Result} result @param {string[]} names */
const pick = (result, names) => Object.fromEntries(names.filter((name) => result[name]).map((name) => [name, result[name]]));

/** @param {{result: Result}} props */
function Figures({ result }) {
  const rows = Object.entries(result).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return html`<dl class="facts-list">${rows.map(([name, value]) => html`<div key=${name}><dt>${named(name)}</dt><dd class="path tabular"><${Value} name=${name} value=${value} /></dd></div>`)}</dl>`;
}

/** @param {string} name */
const named = (name) => (hasText(`web.result.names.${name}`) ? t(`web.result.names.${name}`) : name.replaceAll("_", " "));

/** @param {{name: string, value: any}} props */
function Value({ name, value }) {
  if (name === "seconds") return asDuration(value);
  if (/(^|_)size$/.test(name)) return asBytes(value);
  if (typeof value === "number") return Number.isInteger(value) ? value.toLocaleString("en") : short(value);
  if (typeof value === "boolean") return t(value ? "web.forms.yes" : "web.forms.no");
  if (Array.isArray(value)) return value.every((item) => typeof item !== "object") ? value.join(", ") : html`<pre class="code-box" tabindex="0">${JSON.stringify(value, null, 1)}</pre>`;
  return typeof value === "object" ? html`<${Figures} result=${value} />` : String(value);
}
