// The memory of a loaded model, stacked by weights, context and the rest against what is there, with words; and the way
// to give it back. Knows a Plan.
// @ts-check
import { running, unload } from "../state/system.js";
import { asBytes, t } from "../texts.js";
import { html } from "./html.js";
import { Icon, Press } from "./Icon.js";

/** @import { Plan } from "../types.d.ts" */

const PARTS = /** @type {const} */ (["weights", "kv", "compute", "reserve"]);
const WITH = /** @type {const} */ ({ weights: "beside", compute: "output" }); // shown as a part of them

/** @param {{plan: Plan, small?: boolean}} props */
export function MemoryBar({ plan, small = false }) {
  const sums = PARTS.map((part) => plan.devices.reduce((sum, device) => sum + device[part] + (part in WITH ? device[WITH[part]] : 0), 0));
  const whole = Math.max(plan.available, plan.total, 1);
  const words = t("web.plan.memory_words", { used: plan.total, available: plan.available, context: plan.context });
  const detail = PARTS.map((part, index) => `${t(`web.memory.${part}`)} ${asBytes(sums[index])}`).join(" · ");
  return html`<div class="memory" title=${detail}>
    <div class="memory-bar" role="img" aria-label=${`${words} ${detail}`}>
      ${PARTS.map((part, index) => html`<span class=${`memory-${part}`} style=${{ width: `${(sums[index] / whole) * 100}%` }}></span>`)}
    </div>
    ${!small && html`<div class="memory-words quiet">${words}</div>`}
  </div>`;
}

/** What a loaded model takes, and stopping it. @param {{name: string}} props */
export function Loaded({ name }) {
  const loaded = running.value.find((item) => item.model === name);
  if (!loaded) return null;
  return html`<div class="model-loaded">
    <${MemoryBar} plan=${loaded.plan} />
    <${Press} class="button button-quiet" disabled=${loaded.busy > 0} aria-label=${t("web.model.stop_named", { model: name })} onClick=${() => unload(name)}>
      <${Icon} name="stop" />${t(loaded.busy > 0 ? "web.model.busy" : "web.model.stop")}
    <//>
  </div>`;
}
