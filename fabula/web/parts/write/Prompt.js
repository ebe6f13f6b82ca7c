// What the next passage would be written from: a ruler to scale, its parts and why they are there, the text. Knows the
// open document.
// @ts-check
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as api from "../../api.js";
import { base, flush, path, points } from "../../state/manuscript.js";
import { busy, last } from "../../state/passages.js";
import { hasText, language, t } from "../../texts.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { sentences } from "../words.js";
import { selection } from "./Paper.js";
import { instruction } from "./WriteBar.js";

/** @import { LookedPrompt, Segment } from "../../types.d.ts" */
/** @typedef {{kind: string, name: string, reason: string, tokens: number}} Row */

/** Where a part belongs in the picture, by the reason for which it stands there. */
const KINDS = /** @type {Record<string, string>} */ ({ head: "head", fixed: "head", triggered: "lore", stays: "told", depth: "told", tail: "told" });

const looked = signal(/** @type {LookedPrompt | null} */ (null));
const problem = signal(/** @type {{message: string} | null} */ (null));

async function look() {
  const [id, of] = [base.value?.id, path()];
  problem.value = null;
  try {
    if (!id || !(await flush()) || base.value?.id !== id) return;
    const got = await api.post(`${of}/prompt`, { chapter_id: id, at: points(selection.value.end), instruction: instruction.value.trim() });
    if (base.value?.id === id) looked.value = got;
  } catch (error) {
    problem.value = /** @type {Error} */ (error);
  }
}

export function Prompt() {
  useEffect(() => {
    looked.value = null;
    if (!busy.value) look();
  }, [base.value?.id, language.value, busy.value]);
  return html`<div class="row row-spread"><p class="quiet">${t("web.write.prompt_about")}</p><button type="button" class="button button-quiet" disabled=${busy.value} onClick=${look}>${t("web.write.look_again")}</button></div>
    ${problem.value ? html`<${Trouble} error=${problem.value} retry=${look} />` : looked.value ? html`<${Looked} looked=${looked.value} />` : html`<p class="quiet" role="status">${t("web.prompt.counting")}</p>`}
    <${Reused} />`;
}

/** Of the passage that was written last: what was read, and what was known. */
function Reused() {
  const facts = last.value?.facts;
  if (!facts?.prompt_tokens) return null;
  const { prompt_tokens: prompt, reused_tokens: reused = 0, story } = facts;
  const why = story?.broke && t(`web.facts.broke_${story.broke.reason}`, { tokens: story.broke.tokens, part: t(`story.parts.${story.broke.part}`) });
  return html`<section class="beside-part"><h3>${t("web.write.last_read")}</h3>
    <div class="ruler-bar" role="img" aria-label=${t("web.facts.prompt_value", { prompt, reused, read: prompt - reused })}>
      <span class="ruler-reused" style=${{ width: `${(reused / prompt) * 100}%` }}></span><span class="ruler-read" style=${{ width: `${(1 - reused / prompt) * 100}%` }}></span></div>
    <p class="quiet">${sentences([t("web.facts.prompt_value", { prompt, reused, read: prompt - reused }), why || ""])}</p>
    ${story?.recalled?.length ? html`<p class="quiet">${t("web.write.recalled", { names: story.recalled.join(" · ") })}</p>` : null}</section>`;
}

/** @param {{looked: LookedPrompt}} props */
function Looked({ looked: now }) {
  const rows = now.segments.filter(({ tokens }) => tokens).map(rowOf);
  const why = now.broke && t(`web.facts.broke_${now.broke.reason}`, { tokens: now.broke.tokens, part: t(`story.parts.${now.broke.part}`) });
  return html`<p>${sentences([t("story.prompt.sum", { ...now }), now.estimated ? t("story.prompt.estimated") : ""])}</p>
    <${Ruler} rows=${rows} room=${now.reply_room} />
    ${why && html`<p class="notice">${why}</p>`}
    ${now.fixed.length > 0 && html`<p class="quiet">${t("web.write.waits_for_head", { parts: now.fixed.map(nameOf).join(" · ") })}</p>`}
    <table class="prompt-parts"><thead><tr><th scope="col">${t("web.prompt.part")}</th><th scope="col" class="number">${t("web.prompt.tokens")}</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr class=${row.kind === "cut" ? "quiet" : ""}><td>${row.name}<br /><small class="quiet">${row.reason}</small></td><td class="number">${row.tokens}</td></tr>`)}</tbody></table>
    <details><summary>${t("web.prompt.text")}</summary><pre class="prompt-text" tabindex="0">${now.text}</pre></details>`;
}

/** One bar, to scale: what was cut, the parts in their order, and what is kept free. @param {{rows: Row[], room: number}} props */
function Ruler({ rows, room }) {
  const kept = { kind: "room", name: t("web.prompt.kinds.room"), reason: "", tokens: room };
  const all = [...rows.filter((row) => row.kind === "cut"), ...rows.filter((row) => row.kind !== "cut"), kept];
  const whole = Math.max(1, all.reduce((sum, row) => sum + row.tokens, 0));
  const kinds = [...new Set(all.filter((row) => row.tokens).map((row) => row.kind))];
  const words = (/** @type {string} */ kind) => t("web.prompt.kind", { kind: t(`web.write.kind_${kind}`), tokens: all.filter((row) => row.kind === kind).reduce((sum, row) => sum + row.tokens, 0) });
  return html`<div class="ruler-bar" role="img" aria-label=${kinds.map(words).join(" · ")}>${all.map((row) => html`<span class=${`ruler-${row.kind}`} style=${{ width: `${(row.tokens / whole) * 100}%` }} title=${`${row.name} ${row.tokens}`}></span>`)}</div>
    <ul class="ruler-key">${kinds.map((kind) => html`<li key=${kind}><i class=${`ruler-${kind}`}></i>${words(kind)}</li>`)}</ul>`;
}

/** @param {Segment} segment @returns {Row} */
function rowOf({ source, label, tokens, included, reason }) {
  const kind = !included ? "cut" : source === "lore" || source === "recalled" ? "lore" : (KINDS[reason] ?? "text");
  const isText = source === "chapter";
  const name = isText ? t("web.write.part_text") : nameOf(source);
  const why = isText ? "web.write.part_text_reason" : `story.reasons.${reason || "message"}`;
  return { kind, name: label && label !== source ? `${name}: ${label}` : name, reason: t(included ? why : "story.reasons.cut"), tokens };
}

/** @param {string} source */
const nameOf = (source) => (hasText(`story.parts.${source}`) ? t(`story.parts.${source}`) : source);

