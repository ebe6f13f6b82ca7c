// Everything that can be set for a model's next load, the everyday ones first. Knows one model.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { tell } from "../../state/toasts.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Fields } from "../jobs/Fields.js";
import { collected, initial } from "../jobs/schema.js";

/** @import { DescribedModel, SchemaOf } from "../../types.d.ts" */

/** Those that are not the same. @param {Record<string, any>} values @param {Record<string, any>} before */
const other = (values, before) => Object.fromEntries(Object.entries(values).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])));

/** @param {{model: DescribedModel, changed: () => void}} props */
export function LoadOptions({ model, changed }) {
  const [open, setOpen] = useState(false);
  const [told, setTold] = useState(/** @type {{schema: SchemaOf, options: Record<string, any>} | null} */ (null));
  const [own, setOwn] = useState(/** @type {Record<string, any>} */ ({})); // fields that were changed and are not saved yet
  const [wrong, setWrong] = useState(/** @type {{name: string, message: string} | null} */ (null));
  const path = `/models/${encodeURIComponent(model.name)}/options`;
  useEffect(() => {
    let current = true;
    if (open) api.get(path).then((answer) => current && setTold(answer), (error) => current && setWrong({ name: "", message: error.message }));
    return () => void (current = false);
  }, [model.name, open, language.value, JSON.stringify(model.options)]);
  const schema = told?.schema;
  const kept = schema ? initial(schema, told.options) : {};
  const edit = (/** @type {Record<string, any>} */ values) => setOwn(other(values, kept));
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const now = await api.get(path); // others may have been kept meanwhile: only what was changed here is replaced
      const hidden = Object.fromEntries(Object.entries(now.options).filter(([name]) => !(name in now.schema.properties)));
      const { options } = await api.put(path, { options: { ...hidden, ...collected(now.schema, { ...initial(now.schema, now.options), ...own }) } });
      setTold({ schema: now.schema, options });
      setOwn((later) => other(later, own));
      setWrong(null);
      tell(t("web.plan.kept", { name: model.name }));
      changed();
    } catch (error) {
      const { message, fields } = /** @type {any} */ (error);
      setWrong({ name: fields?.name ?? "", message });
    }
  };
  return html`<details class="kind" onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary>${t("web.options.title")}</summary>
    ${schema && html`<form class="job-form" aria-label=${t("web.options.title")} onSubmit=${save}>
      <p class="quiet">${t("web.options.about")}</p>
      <div class="form-fields"><${Fields} schema=${schema} values=${{ ...kept, ...own }} change=${edit} wrong=${wrong} /></div>
      ${wrong && !(wrong.name in schema.properties) && html`<p class="bad" role="alert">${wrong.message}</p>`}
      <div class="row"><button class="button button-main">${t("web.save")}</button></div>
    </form>`}
  </details>`;
}
