// What quantizations of GGUF mean, in a sentence each, as docs/quantizations.md has them. Knows no model.
// @ts-check
import { t } from "../texts.js";
import { html } from "./html.js";

/** Which types a sentence is for; the first that matches counts. @type {[string, string, RegExp][]} */
const GROUPS = [
  ["mxfp4", "MXFP4", /^MXFP4/],
  ["whole", "F16, BF16", /^(F32|F16|BF16)/],
  ["q8", "Q8_0", /^Q8/],
  ["q6", "Q6_K", /^Q6/],
  ["q5", "Q5_K_M, Q5_K_S", /^Q5/],
  ["q4", "Q4_K_M", /^Q4_K_[ML]/],
  ["q4_small", "Q4_K_S, Q4_0, IQ4_XS", /^I?Q4/],
  ["q3", "Q3_K_L, Q3_K_M, IQ3_M", /^(Q3_K_X?L|Q3_K_M|IQ3_M|IQ3_S)/],
  ["q3_small", "Q3_K_S, IQ3_XXS", /^I?Q3/],
  ["q2", "Q2_K, IQ2, IQ1", /^(I?Q[12]|TQ)/],
];

/** Whom a type is for; "" for what no guide names. Makers' own mixes begin with UD-. @param {string} type */
export function meaningOf(type) {
  const found = GROUPS.find(([, , types]) => types.test(type.toUpperCase().replace(/^UD-/, "")));
  return found ? t(`web.types.${found[0]}`) : "";
}

export function Quantizations() {
  return html`<details class="fold"><summary>${t("web.types.title")}</summary>
    <dl class="ruled-out">${GROUPS.map(([key, types]) => html`<div key=${key}><dt>${types}</dt><dd class="quiet">${t(`web.types.${key}`)}</dd></div>`)}</dl>
    <p class="quiet">${t("web.types.measure")}</p>
  </details>`;
}
