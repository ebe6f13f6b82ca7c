// Into the weights: the form of the recipe, and what it would touch before it begins; and what was written so far. Knows
// one direction.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { chances, lookAtEdit, pageOf, work } from "../../state/directions.js";
import { begin, kindOf } from "../../state/jobs.js";
import { go } from "../../state/route.js";
import { FORMATS, language, t } from "../../texts.js";
import { html } from "../html.js";
import { isActive, progressWords } from "../JobCard.js";
import { Fields } from "../jobs/Fields.js";
import { collected, initial } from "../jobs/schema.js";
import { ModelChoice } from "./ModelChoice.js";

/** @import { Direction, Job, JobKind, LookedEdit, SchemaOf } from "../../types.d.ts" */

const ASKED = ["model", "direction"];
const FIRST = ["strength", "first", "last", "scope", "attention", "mlp", "embeddings", "keep_norms"]; // the rest is folded
const PAUSE_MS = 300;

/** @param {{direction: Direction}} props */
export function Write({ direction }) {
  const kind = kindOf("direction_write");
  const written = work.value.filter((job) => job.kind === "direction_write" && (isActive(job) || job.result.direction === direction.name));
  return html`<section aria-labelledby="write-title"><h2 id="write-title">${t("web.directions.tabs.write")}</h2>
      <p class="quiet">${t("web.directions.write_about")}</p>
      ${kind ? html`<${Form} key=${language.value} kind=${kind} direction=${direction} />` : html`<p class="quiet">${t("web.loading")}</p>`}
    </section>
    ${written.length > 0 && html`<section aria-labelledby="written-title"><h2 id="written-title">${t("web.directions.written")}</h2>
      <ul class="rows">${written.map((job) => html`<${Written} key=${job.id} job=${job} name=${direction.name} />`)}</ul></section>`}`;
}

/** @param {{job: Job, name: string}} props */
const Written = ({ job, name }) => html`<li class="direction-row"><div class="job-words"><a class="model-title link-row" href=${pageOf(name, `written/${job.id}`)}>${job.result.name ?? job.title}</a>
  <span class="quiet tabular">${isActive(job) ? progressWords(job) : t("web.directions.left", { share: share(job.result.most_left) })}</span></div></li>`;

/** @param {number} value */
const share = (value) => (value >= 0.0001 ? `${(value * 100).toFixed(2)} %` : "< 0.01 %");

/** The fields of the page, in its order. @param {SchemaOf} schema @returns {SchemaOf} */
function shown(schema) {
  const names = [...FIRST.filter((name) => name in schema.properties), ...Object.keys(schema.properties).filter((name) => !FIRST.includes(name) && !ASKED.includes(name))];
  return { ...schema, required: [], properties: Object.fromEntries(names.map((name) => [name, { ...schema.properties[name], more: !FIRST.includes(name) }])) };
}

/** @param {{kind: JobKind, direction: Direction}} props */
function Form({ kind, direction }) {
  const schema = shown(kind.schema);
  const [values, setValues] = useState(() => initial(schema));
  const [model, setModel] = useState("");
  const [rows, setRows] = useState(/** @type {Record<string, string>[] | null} */ (null));
  const [look, setLook] = useState(/** @type {LookedEdit | null} */ (null));
  const [wrong, setWrong] = useState(/** @type {{name: string, message: string} | null} */ (null));
  const [working, setWorking] = useState(false);
  const fail = (/** @type {any} */ error) => setWrong({ name: error.fields?.name ?? "", message: error.message });
  const asked = { ...collected(schema, values), model, direction: direction.name };
  useEffect(() => {
    const chosen = (/** @type {Record<string, string>[]} */ told) => (setRows(told), setModel((before) => before || (told.find((row) => row.name === direction.model && !row.write)?.name ?? "")));
    chances(direction.name).then(chosen, fail);
  }, [direction.name, language.value]);
  useEffect(() => {
    setLook(null);
    setWrong(null);
    if (!model) return;
    const reader = new AbortController();
    const unless = (/** @type {() => void} */ act) => !reader.signal.aborted && act();
    const ask = () => lookAtEdit(direction.name, asked, reader.signal).then((told) => unless(() => setLook(told)), (error) => unless(() => fail(error)));
    const timer = setTimeout(ask, PAUSE_MS);
    return () => (clearTimeout(timer), reader.abort());
  }, [JSON.stringify(asked), language.value]);
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setWorking(true);
    try {
      const job = await begin("direction_write", asked);
      go(pageOf(direction.name, `written/${job.id}`));
    } catch (error) {
      fail(error);
    }
    setWorking(false);
  };
  const known = wrong && wrong.name in schema.properties;
  return html`<form class="job-form" aria-label=${t("web.directions.tabs.write")} onSubmit=${send}>
    <${ModelChoice} rows=${rows} what="write" value=${model} change=${setModel} />
    <div class="form-fields"><${Fields} schema=${schema} values=${values} change=${setValues} wrong=${wrong} /></div>
    <div role="status" class="direction-look">${look && html`<p>${touches(look)}</p><p class="quiet">${t("web.directions.becomes", { name: look.name, size: look.size })}</p>`}</div>
    ${wrong && !known && html`<p class="bad" role="alert">${wrong.message}</p>`}
    <div class="row"><button class="button button-main" disabled=${working || !look}>${t(working ? "web.forms.beginning" : "web.directions.write")}</button></div>
  </form>`;
}

/** @param {LookedEdit} look */
function touches({ tensors, parts, layers, numbers }) {
  const named = Object.entries(parts).map(([part, count]) => `${t(`web.directions.parts.${part}`)} ${count}`).join(", ");
  const words = t("web.directions.touches", { tensors, parts: named, numbers: FORMATS.number(numbers) });
  return layers.length ? `${words} ${t("web.directions.touched_layers", { first: layers[0], last: layers[1] })}` : words;
}
