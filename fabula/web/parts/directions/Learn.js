// The form that learns: two sets, a model that can, and what else there is to say, folded. Knows no weights.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { chances, countPrompts, loadSets, sets } from "../../state/directions.js";
import { begin, kindOf, kinds, kindsFailure, loadKinds } from "../../state/jobs.js";
import { goFromHere } from "../../state/route.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Fields } from "../jobs/Fields.js";
import { collected, initial } from "../jobs/schema.js";
import { Choice } from "../settings/Choice.js";
import { Trouble } from "../Trouble.js";
import { ModelChoice } from "./ModelChoice.js";
import { OwnSide } from "./OwnSide.js";
import { ShippedSets } from "./ShippedSets.js";

/** @import { JobKind, SchemaOf } from "../../types.d.ts" */
/** @typedef {import("./OwnSide.js").Side} Side */

const ASKED = ["model", "positive", "negative", "name"]; // the page has its own fields for these
const SIDES = /** @type {const} */ (["positive", "negative"]);

/** @param {{model: string}} props */
export function Learn({ model }) {
  const kind = kindOf("direction");
  return html`<main class="page" id="main">
    <nav class="crumbs" aria-label=${t("web.models.way")}><a href="#/directions">${t("web.directions.title")}</a></nav>
    <h1>${t("web.directions.learn")}</h1>
    <p class="lead">${kind?.about}</p>
    ${kindsFailure.value && html`<${Trouble} error=${kindsFailure.value} retry=${loadKinds} />`}
    ${kind ? html`<${Form} key=${language.value} kind=${kind} model=${model} />` : !kinds.value && html`<p class="quiet">${t("web.loading")}</p>`}
  </main>`;
}

/** What is folded. @param {SchemaOf} schema @returns {SchemaOf} */
const rest = (schema) => ({ ...schema, required: [], properties: Object.fromEntries(Object.entries(schema.properties).filter(([name]) => !ASKED.includes(name))) });

/** @type {Side} */
const EMPTY = { text: "", ending: "txt", file: "" };

/** @param {{kind: JobKind, model: string}} props */
function Form({ kind, model }) {
  const schema = rest(kind.schema);
  const [own, setOwn] = useState(false);
  const [set, setSet] = useState("");
  const [sides, setSides] = useState(/** @type {Record<string, Side>} */ ({ positive: EMPTY, negative: EMPTY }));
  const [chosen, setChosen] = useState(model);
  const [name, setName] = useState("");
  const [values, setValues] = useState(() => initial(schema));
  const [able, setAble] = useState(/** @type {Record<string, string>[] | null} */ (null));
  const [wrong, setWrong] = useState(/** @type {{name: string, message: string} | null} */ (null));
  const [working, setWorking] = useState(false);
  const fail = (/** @type {any} */ error) => setWrong({ name: error.fields?.name ?? "", message: error.message });
  useEffect(() => void loadSets().catch(fail), []);
  useEffect(() => void chances().then(setAble, fail), [language.value]);
  const column = String(values.column ?? "");

  const keep = async (/** @type {"positive" | "negative"} */ side) =>
    (await countPrompts({ text: sides[side].text, ending: sides[side].ending, column, title: t(`web.directions.${side}`), keep: true })).path;
  const prompts = async () => (own ? { positive: await keep("positive"), negative: await keep("negative") } : { positive: set || sets.value[0]?.name });
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const goThere = goFromHere();
    setWorking(true);
    setWrong(null);
    try {
      const job = await begin("direction", { ...collected(schema, values), model: chosen, ...(name && { name }), ...(await prompts()) });
      goThere(`#/directions//job/${job.id}`);
    } catch (error) {
      fail(error);
    }
    setWorking(false);
  };
  const known = wrong && wrong.name in schema.properties;
  return html`<form class="job-form" aria-label=${t("web.directions.learn")} onSubmit=${send}>
    <${Choice} label=${t("web.directions.prompts")} value=${own ? "own" : "shipped"} options=${["shipped", "own"].map((way) => [way, t(`web.directions.from_${way}`)])} change=${(/** @type {string} */ way) => setOwn(way === "own")} />
    ${own
      ? SIDES.map((side) => html`<${OwnSide} key=${side} label=${t(`web.directions.${side}`)} side=${sides[side]} column=${column} change=${(/** @type {Side} */ next) => setSides((before) => ({ ...before, [side]: next }))} />`)
      : html`<${ShippedSets} sets=${sets.value} value=${set} change=${setSet} />`}
    <${ModelChoice} rows=${able} what="learn" value=${chosen} change=${setChosen} anyway=${Boolean(values.force)} />
    <label class="block"><span class="label">${t("web.directions.called")}</span>
      <input class="field" autocomplete="off" spellcheck=${false} required=${own} value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />
      ${!own && html`<small class="quiet">${t("web.directions.called_about")}</small>`}</label>
    <div class="form-fields"><${Fields} schema=${schema} values=${values} change=${setValues} wrong=${wrong} /></div>
    ${wrong && !known && html`<p class="bad" role="alert">${wrong.message}</p>`}
    <div class="row"><button class="button button-main" disabled=${working}>${t(working ? "web.forms.beginning" : "web.directions.begin")}</button></div>
  </form>`;
}
