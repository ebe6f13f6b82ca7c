// What went wrong, in words, with a way to try again. Knows no view.
// @ts-check
import { t } from "../texts.js";
import { html } from "./html.js";
import { Press } from "./Icon.js";

/** @param {{error: {message: string}, retry?: () => unknown}} props */
export function Trouble({ error, retry }) {
  return html`<div class="trouble" role="alert">
    <p>${error.message}</p>
    ${retry && html`<${Press} class="button" onClick=${() => retry()}>${t("web.try_again")}<//>`}
  </div>`;
}
