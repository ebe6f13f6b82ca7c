// Into the weights: the form of the recipe, taken away or added for good, and what it would touch before it begins; and
// what was written so far. Knows one direction.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { chances, lookAtEdit, pageOf, work } from "../../state/directions.js";
import { begin, kindOf, kindsFailure, loadKinds } from "../../state/jobs.js";
import { goFromHere } from "../../state/route.js";
import { FORMATS, language, t } from "../../texts.js";
import { html } from "../html.js";
import { isActive, progressWords } from "../JobCard.js";
import { Fields } from "../jobs/Fields.js";
import { collected, initial } from "../jobs/schema.js";
import { Trouble } from "../Trouble.js";
import { ModelChoice } from "./ModelChoice.js";
import { scaleWords, shareWords } from "./words.js";

/** @import { Direction, Job, JobKind, LookedEdit, SchemaOf } from "../../types.d.ts" */

const ASKED = ["model", "direction"];
const FIRST = ["way", "strength", "first", "last", "scope", "attention", "mlp", "embeddings", "keep_norms"]; // the rest is folded
const ONLY_REMOVED = ["attention", "mlp", "embeddings", "keep_norms", "attention_ramp", "mlp_ramp"];
const ONLY_ADDED = ["after"];
const PAUSE_MS = 300;
/** What a strength is where the direction is added. */
const SCALE = () => ({ title: t("web.directions.scale"), description: t("web.directions.scale_about") });

/** @param {{direction: Direction}} props */
export function Write({ direction }) {
  const kind = kindOf("direction_write");
  const written = work.value.filter((job) => job.kind === "direction_write" && (isActive(job) || job.result.direction === direction.name));
  return html`<section aria-labelledby="write-title"><h2 id="write-title">${t("web.directions.tabs.write")}</h2>
      <p class="quiet">${t("web.directions.write_about")}</p>
      ${kind ? html`<${Form} key=${language.value} kind=${kind} direction=${direction} />` : kindsFailure.value ? html`<${Trouble} error=${kindsFailure.value} retry=${loadKinds} />` : html`<p class="quiet">${t("web.loading")}</p>`}
    </section>
    ${written.length > 0 && html`<section aria-labelledby="written-title"><h2 id="written-title">${t("web.directions.written")}</h2>
      <ul class="rows">${written.map((job) => html`<${Written} key=${job.id} job=${job} name=${direction.name} />`)}</ul></section>`}`;
}

/** @param {{job: Job, name: string}} props */
const Written = ({ job, name }) => html`<li class="direction-row"><div class="job-words"><a class="model-title link-row" href=${pageOf(name, `written/${job.id}`)}>${job.result.name ?? job.title}</a>
  <span class="quiet tabular">${isActive(job) ? progressWords(job) : outcome(job.result)}</span></div></li>`;

/** @param {Job["result"]} result */
const outcome = ({ way, scale, most_left: left }) => (way === "add" ? t("web.directions.added", { scale: scaleWords(scale) }) : t("web.directions.left", { share: shareWords(left) }));

/** The fields of the page, in its order: those that concern what is to be done. @param {SchemaOf} schema @param {string} way @returns {SchemaOf} */
function shown(schema, way) {
  const hidden = [...ASKED, ...(way === "add" ? ONLY_REMOVED : ONLY_ADDED)];
  const names = [...FIRST, ...Object.keys(schema.properties).filter((name) => !FIRST.includes(name))].filter((name) => name in schema.properties && !hidden.includes(name));
  const field = (/** @type {string} */ name) => ({ ...schema.properties[name], ...(way === "add" && name === "strength" ? SCALE() : {}), more: !FIRST.includes(name) });
  return { ...schema, required: ["way", "scope", "after"], properties: Object.fromEntries(names.map((name) => [name, field(name)])) };
}

/** @param {{kind: JobKind, direction: Direction}} props */
function Form({ kind, direction }) {
  const [values, setValues] = useState(() => initial(kind.schema));
  const schema = shown(kind.schema, values.way);
  const [model, setModel] = useState("");
  const [rows, setRows] = useState(/** @type {Record<string, string>[] | null} */ (null));
  const [look, setLook] = useState(/** @type {LookedEdit | null} */ (null));
  const [wrong, setWrong] = useState(/** @type {{name: string, message: string} | null} */ (null));
  const [working, setWorking] = useState(false);
  const fail = (/** @type {any} */ error) => setWrong({ name: error.fields?.name ?? "", message: error.message });
  const asked = { ...collected(schema, values), model, direction: direction.name };
  const what = values.way === "add" ? "add" : "write";
  const refused = rows?.find((row) => row.name === model)?.[what] ?? "";
  useEffect(() => {
    chances(direction.name).then(setRows, fail);
  }, [direction.name, language.value]);
  useEffect(() => {
    const able = rows?.some((row) => row.name === direction.model && !row[what]);
    if (able) setModel((before) => before || direction.model);
  }, [rows, what]);
  useEffect(() => {
    setLook(null);
    setWrong(null);
    if (!model || refused) return;
    const reader = new AbortController();
    const unless = (/** @type {() => void} */ act) => !reader.signal.aborted && act();
    const ask = () => lookAtEdit(direction.name, asked, reader.signal).then((told) => unless(() => setLook(told)), (error) => unless(() => fail(error)));
    const timer = setTimeout(ask, PAUSE_MS);
    return () => (clearTimeout(timer), reader.abort());
  }, [JSON.stringify(asked), refused, language.value]);
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const goThere = goFromHere();
    setWorking(true);
    try {
      const job = await begin("direction_write", asked);
      goThere(pageOf(direction.name, `written/${job.id}`));
    } catch (error) {
      fail(error);
    }
    setWorking(false);
  };
  const known = wrong && wrong.name in schema.properties;
  return html`<form class="job-form" aria-label=${t("web.directions.tabs.write")} onSubmit=${send}>
    <${ModelChoice} rows=${rows} what=${what} value=${model} change=${setModel} />
    <div class="form-fields"><${Fields} schema=${schema} values=${values} change=${setValues} wrong=${wrong} /></div>
    <div role="status" class="direction-look">${look && html`<p>${touches(look, values.way)}</p><p class="quiet">${t("web.directions.becomes", { name: look.name, size: look.size })}</p>`}</div>
    ${wrong && !known && html`<p class="bad" role="alert">${wrong.message}</p>`}
    <div class="row"><button class="button button-main" disabled=${working || !look}>${t(working ? "web.forms.beginning" : "web.directions.write")}</button></div>
  </form>`;
}

/** @param {LookedEdit} look @param {string} way */
function touches({ tensors, parts, layers, numbers }, way) {
  const named = Object.entries(parts).map(([part, count]) => `${t(`web.directions.parts.${part}`)} ${count}`).join(", ");
  const words = t(way === "add" ? "web.directions.adds" : "web.directions.touches", { tensors, parts: named, numbers: FORMATS.number(numbers) });
  return layers.length ? `${words} ${t("web.directions.touched_layers", { first: layers[0], last: layers[1] })}` : words;
}
