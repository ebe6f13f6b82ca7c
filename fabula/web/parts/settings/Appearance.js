// How the app looks: theme, accent, form of a chat, type, a picture behind the text, a style sheet of one's own, and
// whether all of it holds on all devices. Knows no colour.
// @ts-check
import { useEffect } from "preact/hooks";
import { choose, loadLook, look, plain, reset, share, shared, styleStamp } from "../../state/look.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { loadStyle } from "../later.js";
import { Background } from "./Background.js";
import { Choice, Switch } from "./Choice.js";
import { Sample } from "./Sample.js";
import { StyleSheet } from "./StyleSheet.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";

export function AppearancePage() {
  useEffect(() => void loadStyle("themes/accents.css"), []); // for the swatches
  const { told, failure, again } = useAnswer(loadLook, []);
  if (!told) return failure ? html`<${Trouble} error=${failure} retry=${again} />` : html`<p class="quiet">${t("web.loading")}</p>`;
  const { choices } = told;
  const now = look.value;
  /** @param {"theme" | "accent" | "chat" | "reading"} name @param {string} stem of its texts */
  const one = (name, stem) => html`<${Choice} label=${t(`web.look.${name}`)} value=${now[name]} swatch=${name === "accent"} change=${(/** @type {any} */ value) => choose({ [name]: value })}
    options=${(choices[name].names ?? [now[name]]).map((value) => [value, t(`${stem}${value}`)])} />`;
  return html`
    <${Switch} label=${t("web.look.everywhere")} about=${t("web.look.everywhere_about")} checked=${shared.value !== null} change=${share} />
    <section aria-labelledby="colours-title">
      <h2 id="colours-title">${t("web.look.colours")}</h2>
      ${one("theme", "web.settings.theme_")}
      ${one("accent", "web.look.accent_")}
    </section>
    <section aria-labelledby="type-title">
      <h2 id="type-title">${t("web.look.type")}</h2>
      ${one("chat", "web.look.chat_")}
      ${one("reading", "web.settings.reading_")}
      <${Slide} name="size" span=${choices.size} step=${0.5} shown=${`${now.size} px`} />
      <${Slide} name="line" span=${choices.line} from=${1.2} step=${0.05} shown=${now.line ? now.line.toFixed(2) : t("web.look.line_script")} />
      <${Slide} name="width" span=${choices.width} step=${0.5} shown=${t("web.look.width_letters", { count: Math.round(now.width * LETTERS_PER_REM) })} />
      <${Sample} />
    </section>
    <section aria-labelledby="shown-title">
      <h2 id="shown-title">${t("web.look.shown")}</h2>
      ${["avatars", "times", "numbers"].map((name) => html`<${Switch} key=${name} label=${t(`web.look.${name}`)} about=${t(`web.look.${name}_about`)} checked=${now[/** @type {"times"} */ (name)]} change=${(/** @type {boolean} */ on) => choose({ [name]: on })} />`)}
    </section>
    <${Background} span=${choices.veil} />
    <${StyleSheet} />
    <div class="row settings-end">
      <button type="button" class="button" onClick=${reset}>${t("web.look.reset")}</button>
      ${styleStamp.value && html`<label class="row"><input type="checkbox" checked=${plain.value} onChange=${(/** @type {any} */ event) => (plain.value = event.target.checked)} />${t("web.look.plain")}</label>`}
    </div>`;
}

const LETTERS_PER_REM = 1.65; // Latin letters of the reading font at its usual size

/** @param {{name: "size" | "line" | "width", span: {low?: number, high?: number}, from?: number, step: number, shown: string}} props `from`: below it is only the lowest value, which stands for "as usual" */
function Slide({ name, span, from, step, shown }) {
  const { low = 0, high = 100 } = span;
  const start = from ?? low;
  const value = look.value[name];
  const set = (/** @type {number} */ next) => choose({ [name]: next });
  return html`<div class="setting">
    <label class="label" for=${`look-${name}`}>${t(`web.look.${name}`)}</label>
    <div class="slide">
      <input id=${`look-${name}`} type="range" min=${start} max=${high} step=${step} value=${Math.max(value, start)} aria-valuetext=${shown} onChange=${(/** @type {any} */ event) => set(Number(event.target.value))} />
      <output class="tabular" for=${`look-${name}`}>${shown}</output>
    </div>
    ${from && value > 0 && html`<div class="row setting-note"><button type="button" class="link-button" onClick=${() => set(low)}>${t("web.look.line_script")}</button></div>`}
  </div>`;
}
