// What the next prompt of a chat is made of: drawn to scale, part by part, with the lore and the text. Knows one chat's id.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../api.js";
import { hasText, language, t } from "../texts.js";
import { Dialog } from "./Dialog.js";
import { html } from "./html.js";
import { Trouble } from "./Trouble.js";
import { sentences } from "./words.js";

/** @import { LookedPrompt, Segment } from "../types.d.ts" */
/** @typedef {{kind: string, name: string, reason: string, tokens: number, count: number}} Row */

/** Where a part belongs in the picture, by the reason for which it stands there. */
const KINDS = /** @type {Record<string, string>} */ ({ head: "head", fixed: "head", triggered: "lore", stays: "lore", depth: "tail", tail: "tail" });

/** @param {{id: string, close: () => void}} props */
export function PromptInspector({ id, close }) {
  const [looked, setLooked] = useState(/** @type {LookedPrompt | null} */ (null));
  const [problem, setProblem] = useState(/** @type {{message: string} | null} */ (null));
  const look = () => {
    setProblem(null);
    api.get(`/chats/${id}/prompt`).then(setLooked, setProblem);
  };
  useEffect(look, [id, language.value]);
  return html`<${Dialog} title=${t("web.prompt.title")} close=${close}>
    <div class="prompt-look">
      ${problem ? html`<${Trouble} error=${problem} retry=${look} />` : looked ? html`<${Looked} looked=${looked} />` : html`<p class="quiet" role="status">${t("web.prompt.counting")}</p>`}
    </div>
  <//>`;
}

/** @param {{looked: LookedPrompt}} props */
function Looked({ looked }) {
  const { broke, estimated, fixed, lore, text } = looked;
  const why = broke && t(`web.facts.broke_${broke.reason}`, { tokens: broke.tokens, part: t(`story.parts.${broke.part}`) });
  const told = lore.filter((one) => one.told).length;
  return html`
    <p>${sentences([t("story.prompt.sum", { ...looked }), estimated ? t("story.prompt.estimated") : ""])}</p>
    <${Ruler} looked=${looked} />
    ${why && html`<p class="notice">${why}</p>`}
    ${fixed.length > 0 && html`<p class="quiet">${t("story.prompt.fixed", { parts: fixed.map((part) => nameOf(part)).join(" · ") })}</p>`}
    <${Parts} segments=${looked.segments} />
    ${lore.length > 0 && html`<details><summary>${t("web.prompt.lore", { told, all: lore.length })}</summary><${Lore} lore=${lore} /></details>`}
    <details><summary>${t("web.prompt.text")}</summary><pre class="prompt-text" tabindex="0">${text}</pre></details>
  `;
}

/** One bar, to scale: what was cut, the parts in their order, and what is kept free. @param {{looked: LookedPrompt}} props */
function Ruler({ looked }) {
  const rows = rowsOf(looked.segments);
  const stripes = [...rows.filter((row) => row.kind === "cut"), ...rows.filter((row) => row.kind !== "cut")];
  const room = { kind: "room", tokens: looked.reply_room, name: "", reason: "", count: 0 };
  const whole = stripes.reduce((sum, row) => sum + row.tokens, 0) + room.tokens;
  const kinds = [...new Set([...stripes, room].filter((row) => row.tokens).map((row) => row.kind))];
  const words = (/** @type {string} */ kind) => {
    const tokens = [...stripes, room].filter((row) => row.kind === kind).reduce((sum, row) => sum + row.tokens, 0);
    return t("web.prompt.kind", { kind: t(`web.prompt.kinds.${kind}`), tokens });
  };
  return html`<div class="ruler">
    <div class="ruler-bar" role="img" aria-label=${kinds.map(words).join(" · ")}>
      ${[...stripes, room].map((row) => html`<span class=${`ruler-${row.kind}`} style=${{ width: `${(row.tokens / Math.max(whole, 1)) * 100}%` }} title=${`${row.name} ${row.tokens}`}></span>`)}
    </div>
    <ul class="ruler-key">${kinds.map((kind) => html`<li key=${kind}><i class=${`ruler-${kind}`}></i>${words(kind)}</li>`)}</ul>
  </div>`;
}

/** @param {{segments: Segment[]}} props */
function Parts({ segments }) {
  return html`<table class="prompt-parts">
    <thead><tr><th scope="col">${t("web.prompt.part")}</th><th scope="col" class="number">${t("web.prompt.tokens")}</th><th scope="col">${t("web.prompt.reason")}</th></tr></thead>
    <tbody>
      ${rowsOf(segments).map(
        (row) => html`<tr><td>${row.name}${row.count > 1 && html` <small class="quiet">${t("web.prompt.messages", { count: row.count })}</small>`}</td><td class="number">${row.tokens}</td><td class="quiet">${row.reason}</td></tr>`,
      )}
    </tbody>
  </table>`;
}

/** Parts in their order; messages that follow each other are one row. @param {Segment[]} segments @returns {Row[]} */
function rowsOf(segments) {
  const rows = /** @type {Row[]} */ ([]);
  for (const segment of segments.filter(({ tokens }) => tokens)) {
    const row = rowOf(segment);
    const last = rows.at(-1);
    const goesOn = last && row.count && last.count && last.kind === row.kind && last.reason === row.reason;
    if (goesOn) rows[rows.length - 1] = { ...last, name: t("web.prompt.kinds.history"), tokens: last.tokens + row.tokens, count: last.count + 1 };
    else rows.push(row);
  }
  return rows;
}

/** @param {Segment} segment @returns {Row} */
function rowOf({ source, label, tokens, included, reason }) {
  const isMessage = ["user", "assistant", "message"].includes(source) && KINDS[reason] === undefined;
  return {
    kind: included ? kindOf(source, reason) : "cut",
    name: label && label !== source ? `${nameOf(source)}: ${label}` : nameOf(source),
    reason: t(`story.reasons.${included ? reason || "message" : "cut"}`),
    tokens,
    count: isMessage ? 1 : 0,
  };
}

/** What stays where it was told is lore or a note. @param {string} source @param {string} reason */
function kindOf(source, reason) {
  const kind = KINDS[reason] ?? "history";
  return kind === "lore" && source !== "lore" ? "tail" : kind;
}

/** @param {string} source */
const nameOf = (source) => (hasText(`story.parts.${source}`) ? t(`story.parts.${source}`) : source);

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
