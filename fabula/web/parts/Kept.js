// Fields whose choice is saved at once and shown from then on: one of a list, yes or no. Knows no meaning of them.
// @ts-check
import { html } from "./html.js";
import { useKept } from "./useKept.js";

/** One of a list. @param {{value: string, save: (value: string) => unknown, children?: any} & Record<string, any>} props */
export function Pick({ value, save, children, ...rest }) {
  const [now, choose] = useKept(value, save);
  return html`<select class="field" ...${rest} value=${now} onChange=${(/** @type {any} */ event) => choose(event.target.value)}>${children}</select>`;
}

/** Yes or no. @param {{value: boolean, save: (on: boolean) => unknown} & Record<string, any>} props */
export function Tick({ value, save, ...rest }) {
  const [now, choose] = useKept(value, save);
  return html`<input type="checkbox" ...${rest} checked=${now} onChange=${(/** @type {any} */ event) => choose(event.target.checked)} />`;
}
