// Which chat template words a model's prompts, and how a short talk looks in it. Knows one model's name.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";

/** @param {{name: string}} props */
export function Template({ name }) {
  const [told, setTold] = useState(/** @type {{source: "own" | "chosen" | "none", template: string, cut: boolean, preview: string, problem: string} | null} */ (null));
  const [open, setOpen] = useState(false);
  useEffect(() => {
    let current = true;
    setTold(null);
    if (open) api.get(`/models/${encodeURIComponent(name)}/template`).then((answer) => current && setTold(answer), (error) => current && setTold({ source: "none", template: "", cut: false, preview: "", problem: error.message }));
    return () => void (current = false);
  }, [name, open, language.value]);
  return html`<details class="kind" onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary>${t("web.template.title")}</summary>
    ${open && !told && html`<p class="quiet">${t("web.loading")}</p>`}
    ${told && html`<p>${t(`web.template.${told.source}`)}</p>
      ${told.problem && html`<p class="bad">${told.problem}</p>`}
      ${told.preview && html`<h3>${t("web.template.preview")}</h3><pre class="code-box" tabindex="0">${told.preview}</pre>`}
      ${told.template && html`<h3>${t("web.template.source")}</h3><pre class="code-box" tabindex="0">${told.template}${told.cut && "\n…"}</pre>`}`}
  </details>`;
}
