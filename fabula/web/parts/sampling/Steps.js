// The order of the samplers: moved up and down, one step at a time. Knows no sampler.
// @ts-check
import { knobs, set } from "../../state/sampling.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";

/** @import { Knob } from "../../types.d.ts" */

/** @param {{knob: Knob, value: string[]}} props */
export function Steps({ knob, value }) {
  const usual = knobs.value?.steps ?? [];
  const order = [...new Set([...(value ?? []), ...usual])];
  const move = (/** @type {number} */ from, /** @type {number} */ by) => {
    const next = order.filter((_, index) => index !== from);
    next.splice(from + by, 0, order[from]);
    set(knob, next.join() === usual.join() ? [] : next);
  };
  return html`<span class="label">${knob.title}</span>
    <ol class="steps">
      ${order.map(
        (name, index) => html`<li key=${name}><span>${nameOf(name)}</span>
          <${IconButton} icon="up" label=${t("web.sampling.earlier", { name: nameOf(name) })} disabled=${index === 0} onClick=${() => move(index, -1)} />
          <${IconButton} icon="down" label=${t("web.sampling.later", { name: nameOf(name) })} disabled=${index === order.length - 1} onClick=${() => move(index, 1)} />
        </li>`,
      )}
    </ol>`;
}

/** Steps whose control has another name. */
const CONTROLS = /** @type {Record<string, string>} */ ({
  penalties: "repetition_penalty",
  dry: "dry_multiplier",
  xtc: "xtc_probability",
  smoothing: "smoothing_factor",
  dynatemp: "dynatemp_range",
  adaptive_p: "adaptive_target",
});

/** @param {string} step */
export const nameOf = (step) => knobs.value?.knobs.find((knob) => knob.name === (CONTROLS[step] ?? step))?.title ?? step;
