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

/** @param {{model: DescribedModel, changed: () => void}} props */
export function LoadOptions({ model, changed }) {
  const [open, setOpen] = useState(false);
  const [schema, setSchema] = useState(/** @type {SchemaOf | null} */ (null));
  const [values, setValues] = useState(/** @type {Record<string, any>} */ ({}));
  const [wrong, setWrong] = useState(/** @type {{name: string, message: string} | null} */ (null));
  const path = `/models/${encodeURIComponent(model.name)}/options`;
  useEffect(() => {
    let current = true;
    const take = (/** @type {{schema: SchemaOf, options: Record<string, any>}} */ told) => {
      if (!current) return;
      setSchema(told.schema);
      setValues(initial(told.schema, told.options));
    };
    if (open) api.get(path).then(take, (error) => current && setWrong({ name: "", message: error.message }));
    return () => void (current = false);
  }, [model.name, open, language.value]);
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!schema) return;
    const kept = Object.fromEntries(Object.entries(model.options).filter(([name]) => !(name in schema.properties)));
    try {
      await api.put(path, { options: { ...kept, ...collected(schema, values) } });
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
      <div class="form-fields"><${Fields} schema=${schema} values=${values} change=${setValues} wrong=${wrong} /></div>
      ${wrong && !(wrong.name in schema.properties) && html`<p class="bad" role="alert">${wrong.message}</p>`}
      <div class="row"><button class="button button-main">${t("web.save")}</button></div>
    </form>`}
  </details>`;
}
