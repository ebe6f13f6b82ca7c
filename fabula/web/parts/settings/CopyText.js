// A text that is there to be copied whole. Knows no meaning of it.
// @ts-check
import { tell } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon } from "../Icon.js";

/** @param {{text: string, label: string}} props the label is the button's */
export function CopyText({ text, label }) {
  return html`<div class="copy-text">
    <code class="path">${text}</code>
    <button type="button" class="button" onClick=${() => copy(text)}><${Icon} name="copy" />${label}</button>
  </div>`;
}

/** Over plain HTTP the browser gives no clipboard: the old way works there. @param {string} text */
export async function copy(text) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else {
    const field = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  tell(t("web.message.copied"));
}
