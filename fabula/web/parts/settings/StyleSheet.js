// A style sheet of the person's own, kept by the studio and worn by every device. Knows no rule in it.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { dress, loadStyle, styleStamp } from "../../state/look.js";
import { tell } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";

export function StyleSheet() {
  const [style, setStyle] = useState("");
  const [kept, setKept] = useState("");
  useEffect(() => void loadStyle().then((text) => (setStyle(text), setKept(text))), [styleStamp.value]);
  const save = async (/** @type {string} */ next) => {
    const before = kept;
    if (!(await dress(next))) return;
    const undo = { label: t("web.undo"), run: () => dress(before) };
    tell(t(next.trim() ? "web.look.style_saved" : "web.look.style_gone"), { action: undo });
  };
  return html`<section aria-labelledby="style-title">
    <h2 id="style-title">${t("web.look.style")}</h2>
    <p class="quiet">${t("web.look.style_about")}</p>
    <textarea class="field style-text" rows="8" spellcheck="false" aria-labelledby="style-title" placeholder=":root { --accent: #7a1f5c; }" value=${style} onInput=${(/** @type {any} */ event) => setStyle(event.target.value)}></textarea>
    <div class="row">
      <button type="button" class="button" disabled=${style === kept} onClick=${() => save(style)}>${t("web.look.style_save")}</button>
      ${kept && html`<button type="button" class="button button-quiet" onClick=${() => save("")}>${t("web.look.style_remove")}</button>`}
    </div>
  </section>`;
}
