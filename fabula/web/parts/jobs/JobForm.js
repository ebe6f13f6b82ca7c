// A kind of work with its form: filled in, begun, or told what is wrong. Knows no kind.
// @ts-check
import { useState } from "preact/hooks";
import { begin } from "../../state/jobs.js";
import { goFromHere } from "../../state/route.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { collected, initial } from "./schema.js";
import { Fields } from "./Fields.js";

/** @import { JobKind, Job } from "../../types.d.ts" */

/** @param {{kind: JobKind, given?: Record<string, any>, began?: (job: Job) => void}} props `given` is what is filled in already */
export function JobForm({ kind, given = {}, began }) {
  const [values, setValues] = useState(() => initial(kind.schema, given));
  const [wrong, setWrong] = useState(/** @type {{name: string, message: string} | null} */ (null));
  const [working, setWorking] = useState(false);
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const goThere = goFromHere();
    setWorking(true);
    setWrong(null);
    try {
      const job = await begin(kind.kind, collected(kind.schema, values));
      if (began) began(job);
      else goThere(`#/jobs/${job.id}`);
    } catch (error) {
      const { message, fields } = /** @type {any} */ (error);
      setWrong({ name: fields?.name ?? "", message });
    }
    setWorking(false);
  };
  const known = wrong && wrong.name in kind.schema.properties;
  return html`<form class="job-form" aria-label=${kind.title} onSubmit=${send}>
    <p class="quiet">${kind.about}</p>
    <div class="form-fields"><${Fields} schema=${kind.schema} values=${values} change=${setValues} wrong=${wrong} /></div>
    ${wrong && !known && html`<p class="bad" role="alert">${wrong.message}</p>`}
    <div class="row"><button class="button button-main" disabled=${working}>${t(working ? "web.forms.beginning" : "web.forms.begin")}</button></div>
  </form>`;
}
