// A style sheet of the person's own, kept by the studio and worn by every device. Knows no rule in it.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { dress, loadStyle, styleStamp } from "../../state/look.js";
import { tell } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { useEdited } from "../useKept.js";

export function StyleSheet() {
  const [kept, setKept] = useState("");
  const { now: style, edit, done } = useEdited(kept);
  useEffect(() => {
    let current = true;
    loadStyle().then((text) => current && text !== null && setKept(text));
    return () => void (current = false);
  }, [styleStamp.value]);
  const save = async (/** @type {string} */ next) => {
    const before = kept;
    if (!(await dress(next))) return;
    setKept(next);
    done(style);
    const undo = { label: t("web.undo"), run: () => dress(before) };
    tell(t(next.trim() ? "web.look.style_saved" : "web.look.style_gone"), { action: undo });
  };
  return html`<section aria-labelledby="style-title">
    <h2 id="style-title">${t("web.look.style")}</h2>
    <p class="quiet">${t("web.look.style_about")}</p>
    <textarea class="field style-text" rows="8" spellcheck="false" aria-labelledby="style-title" placeholder=":root { --accent: #7a1f5c; }" value=${style} onInput=${(/** @type {any} */ event) => edit(event.target.value)}></textarea>
    <div class="row">
      <button type="button" class="button" disabled=${style === kept} onClick=${() => save(style)}>${t("web.look.style_save")}</button>
      ${kept && html`<button type="button" class="button button-quiet" onClick=${() => save("")}>${t("web.look.style_remove")}</button>`}
    </div>
  </section>`;
}
