// What each device holds of a plan, to scale: weights, context, working memory and reserve against what is free, and
// against what others have. Knows a Plan.
// @ts-check
import { asBytes, t } from "../../texts.js";
import { html } from "../html.js";

/** @import { Device, Plan } from "../../types.d.ts" */

const PARTS = /** @type {const} */ (["weights", "kv", "compute", "beside", "reserve"]);
const HOST = "memory";

/** @param {{plan: Plan}} props */
export function DeviceBars({ plan }) {
  const most = Math.max(...plan.devices.map(widthOf), 1);
  return html`<ul class="devices" aria-label=${t("web.plan.picture")}>${plan.devices.map((device) => html`<${Bar} key=${device.name} device=${device} most=${most} />`)}</ul>`;
}

/** What the bar of a device stands for. @param {Device} device */
const widthOf = (device) => Math.max(device.memory, device.available, device.total);

/** The engine's output is a part of its working memory. @param {Device} device @param {string} part */
const bytesOf = (device, part) => (part === "compute" ? device.compute + device.output : /** @type {any} */ (device)[part]);

/** @param {{device: Device, most: number}} props */
function Bar({ device, most }) {
  const whole = widthOf(device);
  const over = device.total > device.available;
  const taken = Math.max(0, device.memory - device.available);
  const share = (/** @type {number} */ bytes) => `${(bytes / whole) * 100}%`;
  const parts = PARTS.map((part) => ({ part, bytes: bytesOf(device, part) })).filter(({ bytes }) => bytes > 0);
  const name = device.name === HOST ? t("web.plan.host") : device.name;
  const spare = device.available - device.total;
  const words = t(over ? "web.plan.over" : "web.plan.spare", { bytes: Math.abs(spare) });
  const list = parts.map(({ part, bytes }) => `${t(`web.memory.${part}`)} ${asBytes(bytes)}`).join(" · ");
  return html`<li class="device">
    <div class="row row-spread device-head">
      <span class="label">${name}</span>
      <span class=${`tabular ${over ? "bad" : "quiet"}`}>${t("web.plan.of", { total: device.total, available: device.available })} · ${words}</span>
    </div>
    <div class=${`device-bar ${over ? "device-over" : ""}`} role="img" aria-label=${`${name}: ${list} · ${words}`} style=${{ width: `${Math.max(12, (whole / most) * 100)}%` }}>
      ${parts.map(({ part, bytes }) => html`<span key=${part} class=${`memory-${part}`} style=${{ width: share(bytes) }}></span>`)}
      ${taken > 0 && !over && html`<span class="device-others" style=${{ width: share(taken) }}></span>`}
      <span class="device-free" style=${{ left: share(Math.min(device.available, whole)) }}></span>
    </div>
    <ul class="device-parts tabular" aria-hidden="true">
      ${parts.map(({ part, bytes }) => html`<li key=${part}><span class=${`swatch memory-${part}`}></span>${t(`web.memory.${part}`)} ${asBytes(bytes)}</li>`)}
      ${taken > 0 && html`<li><span class="swatch device-others"></span>${t("web.plan.others", { bytes: taken })}</li>`}
    </ul>
  </li>`;
}
