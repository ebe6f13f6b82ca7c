// One of a few, as buttons that are radio buttons. Knows no setting.
// @ts-check
import { html } from "../html.js";
import { useKept } from "../useKept.js";

/** @param {{label: string, value: string, options: string[][], change: (name: string) => void, about?: string, swatch?: boolean}} props `swatch`: options are accents, and show their colour */
export function Choice({ label, value, options, change, about, swatch = false }) {
  const [chosen, choose] = useKept(value, change);
  return html`<fieldset class="setting choice">
    <legend class="label">${label}</legend>
    <div class="choice-options">
      ${options.map(
        ([name, words]) => html`<label key=${name} lang=${name.startsWith("zh") ? name : undefined}>
          <input type="radio" name=${label} checked=${name === chosen} onChange=${() => choose(name)} /><span>${swatch && html`<i class="swatch" data-accent=${name}></i>`}${words}</span>
        </label>`,
      )}
    </div>
    ${about && html`<small class="quiet choice-about">${about}</small>`}
  </fieldset>`;
}

/** @param {{label: string, about?: string, checked: boolean, change: (on: boolean) => void, disabled?: boolean}} props */
export function Switch({ label, about, checked, change, disabled = false }) {
  const [on, choose] = useKept(checked, change);
  return html`<label class="setting setting-check">
    <input type="checkbox" checked=${on} disabled=${disabled} onChange=${(/** @type {any} */ event) => choose(event.target.checked)} />
    <span><span class="label">${label}</span>${about && html`<small class="quiet">${about}</small>`}</span>
  </label>`;
}
