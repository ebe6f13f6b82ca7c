// One trial that was picked: made an adapter and heard blind at once, or written into the weights. Knows one trial.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { attach, chances, chatWith, pageOf } from "../../state/directions.js";
import { begin } from "../../state/jobs.js";
import { goFromHere } from "../../state/route.js";
import { jobs } from "../../state/system.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { isActive, JobCard } from "../JobCard.js";
import { Blind } from "./Blind.js";
import { ModelChoice } from "./ModelChoice.js";

/** @import { Direction, SearchTrial } from "../../types.d.ts" */

/** @param {{trial: SearchTrial, direction: Direction, model: string, hash: string}} props `hash` is the search's: other searches have trials of the same number */
export function SearchPoint({ trial, direction: { name }, model, hash }) {
  const [made, setMade] = useState("");
  const [ready, setReady] = useState(false);
  const [wrong, setWrong] = useState("");
  const adapter = `${name}-${hash.slice(0, 4)}-${trial.number}`;
  const job = jobs.value.find(({ id }) => id === made);
  const fail = (/** @type {any} */ error) => setWrong(error.message);
  const make = async () => {
    setWrong("");
    try {
      setMade((await begin("direction_export", { direction: name, model, form: "adapter", name: adapter, ...trial.use })).id);
    } catch (error) {
      fail(error);
    }
  };
  useEffect(() => {
    if (job?.state === "done") attach(adapter, model).then(() => setReady(true), fail);
  }, [job?.state]);
  return html`<section aria-labelledby="point-title"><h2 id="point-title">${t("web.directions.search.picked", { number: trial.number })}</h2>
      <p class="quiet">${t("web.directions.search.adapter_about", { name: adapter, model })}</p>
      ${wrong && html`<p class="bad" role="alert">${wrong}</p>`}
      ${job && job.state !== "done" && html`<ul class="rows"><${JobCard} job=${job} /></ul>`}
      <div class="row search-verbs">${ready
        ? html`<button type="button" class="button" onClick=${() => chatWith(adapter, model, "take", 1)}>${t("web.directions.search.chat")}</button>`
        : html`<button type="button" class="button button-main" disabled=${Boolean(job) && (isActive(job) || job.state === "done")} onClick=${make}>${t("web.directions.search.make")}</button>`}</div>
    </section>
    ${ready && html`<${Blind} source=${model} made=${model} adapter=${adapter} prompt=${t("web.directions.usual_prompt")} />`}
    <${Into} trial=${trial} name=${name} made=${adapter} />`;
}

/** @param {{trial: SearchTrial, name: string, made: string}} props `made` is what the new model is called behind the old one's name */
function Into({ trial, name, made }) {
  const [rows, setRows] = useState(/** @type {Record<string, string>[] | null} */ (null));
  const [model, setModel] = useState("");
  const [wrong, setWrong] = useState("");
  const [working, setWorking] = useState(false);
  useEffect(() => void chances(name).then(setRows, (error) => setWrong(error.message)), [name, language.value]);
  const write = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const goThere = goFromHere();
    setWorking(true);
    setWrong("");
    try {
      const whole = model.split("/").at(-1);
      const job = await begin("direction_write", { direction: name, model, name: `${whole}-${made}`, ...trial.use });
      goThere(pageOf(name, `written/${job.id}`));
    } catch (error) {
      setWrong(/** @type {Error} */ (error).message);
    }
    setWorking(false);
  };
  return html`<section aria-labelledby="into-title"><h2 id="into-title">${t("web.directions.tabs.write")}</h2>
    <p class="quiet">${t("web.directions.search.write_about")}</p>
    <form class="job-form" aria-label=${t("web.directions.tabs.write")} onSubmit=${write}>
      <${ModelChoice} rows=${rows} what="write" value=${model} change=${setModel} />
      ${wrong && html`<p class="bad" role="alert">${wrong}</p>`}
      <div class="row"><button class="button" disabled=${working || !model}>${t(working ? "web.forms.beginning" : "web.directions.write")}</button></div>
    </form></section>`;
}
