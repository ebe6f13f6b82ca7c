// The sign that a text goes to another machine, and to which. Knows one model.
// @ts-check
import { models } from "../state/system.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";

/** @import { Model } from "../types.d.ts" */

/** Nothing is said of a program on this machine. @param {{model: Model | undefined}} props */
export function Elsewhere({ model }) {
  const there = model?.elsewhere;
  if (!there || there.reach === "machine") return null;
  return html`<p class="elsewhere elsewhere-${there.reach}"><${Icon} name="away" />${t(`models.elsewhere.${there.reach}`, { host: there.host })}</p>`;
}

/** The same, by the model's name. @param {{name: string}} props */
export function ElsewhereNamed({ name }) {
  return html`<${Elsewhere} model=${(models.value ?? []).find((model) => model.name === name)} />`;
}
