// How a model runs here, or would: its engine and why, context, expiry. Knows one model.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../api.js";
import { language, t } from "../texts.js";
import { html } from "./html.js";
import { sentences } from "./words.js";

/** @import { DescribedModel, Plan, Running } from "../types.d.ts" */

/** @param {{name: string, loaded: Running | undefined}} props */
export function ModelDetails({ name, loaded }) {
  const [model, setModel] = useState(/** @type {DescribedModel | null} */ (null));
  const [problem, setProblem] = useState("");
  useEffect(() => {
    api.get(`/models/${encodeURIComponent(name)}`).then(setModel, (error) => setProblem(error.message));
  }, [name, Boolean(loaded), language.value]);
  if (problem) return html`<p class="notice model-details">${problem}</p>`;
  if (!model) return html`<p class="quiet model-details">${t("web.loading")}</p>`;
  const plan = loaded?.plan ?? model.plan;
  const rows = [
    [t("web.model.engine"), html`${loaded?.engine || model.engine.name}<br /><small class="quiet">${model.engine.reason}</small>`],
    [t("web.model.context"), contextWords(plan)],
    [t("web.model.can"), abilities(model)],
    [t("web.model.expires"), loaded && expiry(loaded)],
    [t("web.model.reloaded"), loaded?.why],
    [t("web.model.notes"), sentences([...plan.reasons, ...plan.warnings])],
    [t("web.model.file"), html`<span class="path">${model.path}</span>`],
  ];
  return html`<dl class="facts-details model-details">
    ${rows.filter(([, value]) => value).map(([label, value]) => html`<dt>${label}</dt><dd>${value}</dd>`)}
  </dl>`;
}

/** @param {Plan} plan */
function contextWords({ context, slots }) {
  if (!context) return ""; // of a server that does not tell it
  return t(slots > 1 ? "web.model.context_slots" : "web.model.context_value", { context, slots });
}

/** @param {DescribedModel} model */
function abilities({ thinks, takes_tools: tools }) {
  return [thinks && t("web.model.can_think"), tools && t("web.model.can_tools")].filter(Boolean).join(" · ");
}

/** While it writes nothing expires. @param {Running} loaded */
function expiry({ busy, expires_at: at }) {
  if (busy) return t("web.model.busy");
  if (!at) return t("web.model.expires_never");
  const time = new Intl.DateTimeFormat(language.value, { hour: "2-digit", minute: "2-digit" }).format(at * 1000);
  return t("web.model.expires_at", { time });
}
