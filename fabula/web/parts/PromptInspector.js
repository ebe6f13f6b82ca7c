// What the next prompt of a chat is made of: drawn to scale, part by part, with the lore and the text. Knows one chat's id.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api.js";
import { language, t } from "../texts.js";
import { brokeWords, partName, rowsOf, Ruler } from "./chat/Ruler.js";
import { Dialog } from "./Dialog.js";
import { html } from "./html.js";
import { Trouble } from "./Trouble.js";
import { sentences } from "./words.js";

/** @import { LookedPrompt, Segment } from "../types.d.ts" */

/** @param {{id: string, close: () => void, part?: number}} props `part`: the row that is looked at, by its place */
export function PromptInspector({ id, close, part = -1 }) {
  const [looked, setLooked] = useState(/** @type {LookedPrompt | null} */ (null));
  const [problem, setProblem] = useState(/** @type {{message: string} | null} */ (null));
  const look = () => {
    setProblem(null);
    api.get(`/chats/${id}/prompt`).then(setLooked, setProblem);
  };
  useEffect(look, [id, language.value]);
  return html`<${Dialog} title=${t("web.prompt.title")} close=${close}>
    <div class="prompt-look">
      ${problem ? html`<${Trouble} error=${problem} retry=${look} />` : looked ? html`<${Looked} looked=${looked} part=${part} />` : html`<p class="quiet" role="status">${t("web.prompt.counting")}</p>`}
    </div>
  <//>`;
}

/** @param {{looked: LookedPrompt, part: number}} props */
function Looked({ looked, part }) {
  const [picked, pick] = useState(part);
  const { estimated, fixed, lore, text } = looked;
  const why = brokeWords(looked);
  const told = lore.filter((one) => one.told).length;
  return html`
    <p>${sentences([t("story.prompt.sum", { ...looked }), estimated ? t("story.prompt.estimated") : ""])}</p>
    <${Ruler} looked=${looked} pick=${pick} />
    ${why && html`<p class="notice">${why}</p>`}
    ${fixed.length > 0 && html`<p class="quiet">${t("story.prompt.fixed", { parts: fixed.map((part) => partName(part)).join(" · ") })}</p>`}
    <${Parts} segments=${looked.segments} picked=${picked} />
    ${lore.length > 0 && html`<details><summary>${t("web.prompt.lore", { told, all: lore.length })}</summary><${Lore} lore=${lore} /></details>`}
    <details><summary>${t("web.prompt.text")}</summary><pre class="prompt-text" tabindex="0">${text}</pre></details>
  `;
}

/** @param {{segments: Segment[], picked: number}} props */
function Parts({ segments, picked }) {
  const row = useRef(/** @type {any} */ (null));
  useEffect(() => row.current?.scrollIntoView({ block: "nearest" }), [picked]);
  return html`<table class="prompt-parts">
    <thead><tr><th scope="col">${t("web.prompt.part")}</th><th scope="col" class="number">${t("web.prompt.tokens")}</th><th scope="col">${t("web.prompt.reason")}</th></tr></thead>
    <tbody>
      ${rowsOf(segments).map(
        (part, place) => html`<tr key=${place} ref=${place === picked ? row : undefined} aria-current=${place === picked ? "true" : undefined}><td>${part.name}${part.count > 1 && html` <small class="quiet">${t("web.prompt.messages", { count: part.count })}</small>`}</td><td class="number">${part.tokens}</td><td class="quiet">${part.reason}</td></tr>`,
      )}
    </tbody>
  </table>`;
}

/** @param {{lore: LookedPrompt["lore"]}} props */
function Lore({ lore }) {
  const shown = [...lore].sort((one, other) => Number(other.told) - Number(one.told));
  return html`<table class="prompt-parts">
    <thead><tr><th scope="col">${t("web.prompt.entry")}</th><th scope="col" class="number">${t("web.prompt.tokens")}</th><th scope="col">${t("web.prompt.reason")}</th></tr></thead>
    <tbody>
      ${shown.map(
        (one) => html`<tr key=${one.entry} class=${one.told ? "" : "quiet"}><td>${one.label}</td><td class="number">${one.tokens || ""}</td><td>${t(`story.lore_reasons.${one.reason}`)}${one.key && html`: <code>${one.key}</code>`}</td></tr>`,
      )}
    </tbody>
  </table>`;
}
