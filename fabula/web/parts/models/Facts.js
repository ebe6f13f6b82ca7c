// What a model is, from its own header, in words. Knows one model.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { asBytes, language, t } from "../../texts.js";
import { html } from "../html.js";
import { meaningOf } from "../Quantizations.js";
import { parametersOf } from "../words.js";

/** @import { DescribedModel, HeaderOf, Running } from "../../types.d.ts" */

/** @param {{model: DescribedModel, loaded: Running | undefined}} props */
export function Facts({ model, loaded }) {
  const [header, setHeader] = useState(/** @type {HeaderOf | null} */ (null));
  useEffect(() => {
    let current = true;
    if (!model.elsewhere) api.get(`/models/${encodeURIComponent(model.name)}/header`).then((told) => current && setHeader(told), () => null);
    return () => void (current = false);
  }, [model.name, language.value]);
  const rows = [
    [t("web.facts_of.is"), [parametersOf(model.parameters), active(header, model), model.architecture].filter(Boolean).join(" · ")],
    [t("web.facts_of.weights"), html`${model.quantization || model.format}${model.size ? ` · ${asBytes(model.size)}` : ""}${meaningOf(model.quantization) && html`<br /><small class="quiet">${meaningOf(model.quantization)}</small>`}`],
    [t("web.facts_of.types"), header && header.types.length > 1 && types(header)],
    [t("web.facts_of.trained"), model.trained_context > 0 && t("web.model.context_value", { context: model.trained_context })],
    [t("web.model.can"), abilities(model)],
    [t("web.facts_of.languages"), languages(model.languages)],
    [t("web.facts_of.licence"), model.licence],
    [t("web.facts_of.made_from"), header?.base_models.join(", ") || model.base],
    [t("web.model.engine"), html`${loaded?.engine || model.engine.name}<br /><small class="quiet">${model.engine.reason}</small>`],
    [t("web.model.context"), loaded && loaded.plan.context > 0 && t(loaded.plan.slots > 1 ? "web.model.context_slots" : "web.model.context_value", { context: loaded.plan.context, slots: loaded.plan.slots })],
    [t("web.model.expires"), loaded && expiry(loaded)],
    [t("web.model.reloaded"), loaded?.why],
    [t("web.facts_of.notes"), header?.notes.join(" ")],
    [t("web.model.file"), model.path && html`<span class="path">${model.path}</span>`],
  ];
  return html`<section aria-labelledby="facts-title"><h2 id="facts-title">${t("web.facts_of.title")}</h2>
    <dl class="facts-list">${rows.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
  </section>`;
}

/** Of a mixture of experts, what each token goes through. @param {HeaderOf | null} header @param {DescribedModel} model */
function active(header, model) {
  if (!header?.active_parameters || header.active_parameters === model.parameters) return "";
  return t("web.facts_of.active", { count: parametersOf(header.active_parameters) });
}

/** @param {HeaderOf} header */
function types({ types }) {
  const whole = types.reduce((sum, row) => sum + row.size, 0) || 1;
  return types.map((row) => t("web.facts_of.type", { type: row.name, share: row.size / whole })).join(" · ");
}

/** @param {DescribedModel} model */
function abilities(model) {
  const can = [
    !model.pooling && (model.has_chat_template ? "chat" : "text"),
    model.thinks && "think",
    model.takes_tools && "tools",
    model.sees_images && "see",
    model.fills_gaps && "fill",
    model.pooling && "embed",
  ];
  return can.filter(Boolean).map((name) => t(`web.facts_of.can.${name}`)).join(" · ");
}

/** Each in the reader's language. @param {string[]} codes */
function languages(codes) {
  const names = new Intl.DisplayNames([language.value], { type: "language", fallback: "code" });
  return codes.map((code) => nameOf(names, code)).join(", ");
}

/** A header may say anything. @param {Intl.DisplayNames} names @param {string} code */
function nameOf(names, code) {
  try {
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}

/** While it writes nothing expires. @param {Running} loaded */
function expiry({ busy, expires_at: at }) {
  if (busy) return t("web.model.busy");
  if (!at) return t("web.model.expires_never");
  const time = new Intl.DateTimeFormat(language.value, { hour: "2-digit", minute: "2-digit" }).format(at * 1000);
  return t("web.model.expires_at", { time });
}
