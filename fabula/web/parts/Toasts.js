// Short notices, with one action where there is a way back; and a line while something is on its way to the studio. Knows no cause.
// @ts-check
import { sending } from "../api.js";
import { dismiss, toasts } from "../state/toasts.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { IconButton } from "./Icon.js";

export function Toasts() {
  return html`${sending.value > 0 && html`<div class="sending" aria-hidden="true"></div>`}<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(
      (toast) => html`<div key=${toast.id} class=${`toast toast-${toast.kind}`}>
        <span>${toast.text}</span>
        ${toast.action && html`<button type="button" class="button button-quiet" onClick=${() => (dismiss(toast.id), toast.action?.run())}>${toast.action.label}</button>`}
        <${IconButton} icon="close" label=${t("web.close")} onClick=${() => dismiss(toast.id)} />
      </div>`,
    )}
  </div>`;
}
