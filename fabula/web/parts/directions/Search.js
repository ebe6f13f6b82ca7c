// How to use a direction, searched for: the form, and the searches so far. Knows one direction.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { chances, pageOf, work } from "../../state/directions.js";
import { begin, kindOf } from "../../state/jobs.js";
import { goFromHere } from "../../state/route.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { isActive, progressWords } from "../JobCard.js";
import { Fields } from "../jobs/Fields.js";
import { collected, initial } from "../jobs/schema.js";
import { ModelChoice } from "./ModelChoice.js";

/** @import { Direction, Job, JobKind, SchemaOf } from "../../types.d.ts" */

const ASKED = ["model", "direction"]; // the page has its own fields for these

/** @param {{direction: Direction}} props */
export function Search({ direction: { name, model } }) {
  const kind = kindOf("direction_search");
  const searched = work.value.filter((job) => job.kind === "direction_search" && (job.result.direction ?? job.title.split(" × ")[0]) === name);
  return html`<section aria-labelledby="search-title"><h2 id="search-title">${t("web.directions.tabs.search")}</h2>
      <p class="quiet">${t("web.directions.search.about")}</p>
      ${kind ? html`<${Form} key=${language.value} kind=${kind} name=${name} model=${model} />` : html`<p class="quiet">${t("web.loading")}</p>`}
    </section>
    ${searched.length > 0 && html`<section aria-labelledby="searched-title"><h2 id="searched-title">${t("web.directions.search.here")}</h2>
      <ul class="rows">${searched.map((job) => html`<${Row} key=${job.id} job=${job} name=${name} />`)}</ul></section>`}`;
}

/** @param {{job: Job, name: string}} props */
const Row = ({ job, name }) => html`<li class="direction-row"><div class="job-words"><a class="model-title link-row" href=${pageOf(name, `searched/${job.id}`)}>${job.title}</a>
  <span class="quiet tabular">${isActive(job) ? progressWords(job) : job.state === "done" ? t("web.directions.search.found", { best: job.result.front.length, count: job.result.trials.length }) : t(`web.jobs.${job.state}`)}</span></div></li>`;

/** @param {SchemaOf} schema @returns {SchemaOf} */
const rest = (schema) => ({ ...schema, required: [], properties: Object.fromEntries(Object.entries(schema.properties).filter(([name]) => !ASKED.includes(name))) });

/** @param {{kind: JobKind, name: string, model: string}} props */
function Form({ kind, name, model: learned }) {
  const schema = rest(kind.schema);
  const [values, setValues] = useState(() => initial(schema));
  const [model, setModel] = useState("");
  const [rows, setRows] = useState(/** @type {Record<string, string>[] | null} */ (null));
  const [wrong, setWrong] = useState(/** @type {{name: string, message: string} | null} */ (null));
  const [working, setWorking] = useState(false);
  const fail = (/** @type {any} */ error) => setWrong({ name: error.fields?.name ?? "", message: error.message });
  useEffect(() => {
    const chosen = (/** @type {Record<string, string>[]} */ told) => (setRows(told), setModel((before) => before || (told.find((row) => row.name === learned && !row.search)?.name ?? "")));
    chances(name).then(chosen, fail);
  }, [name, language.value]);
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const goThere = goFromHere();
    setWorking(true);
    setWrong(null);
    try {
      const job = await begin("direction_search", { ...collected(schema, values), model, direction: name });
      goThere(pageOf(name, `searched/${job.id}`));
    } catch (error) {
      fail(error);
    }
    setWorking(false);
  };
  const known = wrong && wrong.name in schema.properties;
  return html`<form class="job-form" aria-label=${t("web.directions.tabs.search")} onSubmit=${send}>
    <${ModelChoice} rows=${rows} what="search" value=${model} change=${setModel} />
    <div class="form-fields"><${Fields} schema=${schema} values=${values} change=${setValues} wrong=${wrong} /></div>
    ${wrong && !known && html`<p class="bad" role="alert">${wrong.message}</p>`}
    <div class="row"><button class="button button-main" disabled=${working || !model}>${t(working ? "web.forms.beginning" : "web.directions.search.begin")}</button></div>
  </form>`;
}
