// Short notices, with one action where there is a way back. Knows no cause.
// @ts-check
import { dismiss, toasts } from "../state/toasts.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { IconButton } from "./Icon.js";

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(
      (toast) => html`<div key=${toast.id} class=${`toast toast-${toast.kind}`}>
        <span>${toast.text}</span>
        ${toast.action && html`<button type="button" class="button button-quiet" onClick=${() => (dismiss(toast.id), toast.action?.run())}>${toast.action.label}</button>`}
        <${IconButton} icon="close" label=${t("web.close")} onClick=${() => dismiss(toast.id)} />
      </div>`,
    )}
  </div>`;
}
