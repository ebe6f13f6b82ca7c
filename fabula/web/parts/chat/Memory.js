// What the open chat remembers: facts, summaries, documents, and what would be recalled. Knows the open chat.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { chat } from "../../state/chat.js";
import { failure, forget, keepDocument, loadMemory, memory, pin, recalledFor, rewrite, setMemory, sums, sumUp } from "../../state/memory.js";
import { isStory } from "../../state/story.js";
import { usable } from "../../state/system.js";
import { busy } from "../../state/turn.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { IconButton, usePress } from "../Icon.js";
import { Pick, Tick } from "../Kept.js";
import { Trouble } from "../Trouble.js";
import { useHeld } from "../useHeld.js";

/** @import { Kept, MemorySettings } from "../../state/memory.js" */

export function Memory() {
  const id = chat.value?.id;
  useEffect(() => void loadMemory(), [id, chat.value?.revision]);
  const now = memory.value;
  if (failure.value && !now) return html`<${Trouble} error=${failure.value} retry=${loadMemory} />`;
  if (!now || now.chat !== id) return html`<p class="quiet">${t("web.loading")}</p>`;
  return html`
    <p class="quiet">${t("web.memory.about")}</p>
    ${now.problem && html`<p class="notice" role="status">${now.problem.message}</p>`}
    <${Facts} key=${`f${id}`} facts=${now.facts} />
    <${Summaries} key=${`s${id}`} summaries=${now.summaries} settings=${now.settings} writing=${now.writing} />
    ${isStory(chat.value)
      ? html`<${Documents} key=${`d${id}`} documents=${now.documents} /><${Recalling} key=${`r${id}`} settings=${now.settings} embedder=${now.embedder} />`
      : html`<p class="quiet">${t("web.memory.plain")}</p>`}
  `;
}

/** @param {{facts: Kept[]}} props */
function Facts({ facts }) {
  const add = async (/** @type {any} */ event) => {
    event.preventDefault();
    const field = event.target.elements.namedItem("fact");
    const fact = field.value.trim();
    field.value = "";
    if (fact && !(await pin(fact))) field.value ||= fact;
  };
  return html`<section class="memory-part" aria-label=${t("web.memory.facts")}>
    <h3>${t("web.memory.facts")}</h3>
    <small class="quiet">${t("web.memory.facts_about")}</small>
    <ul>${facts.map((fact) => html`<${Editable} key=${fact.id} one=${fact} label=${t("web.memory.fact")} />`)}</ul>
    <form class="row" onSubmit=${add}><input class="field" name="fact" aria-label=${t("web.memory.new_fact")} placeholder=${t("web.memory.fact_placeholder")} /><button type="submit" class="button">${t("web.memory.pin")}</button></form>
  </section>`;
}

/** @param {{one: Kept, label: string, note?: string}} props */
function Editable({ one, label, note = "" }) {
  const field = useHeld(one.text);
  const save = (/** @type {any} */ event) => event.target.value.trim() && rewrite(one.id, event.target.value.trim());
  return html`<li class="memory-one">
    <textarea ref=${field} class="field" rows=${one.kind === "summary" ? 6 : 2} aria-label=${label} onChange=${save}></textarea>
    <${IconButton} icon="trash" label=${t("web.memory.forget")} onClick=${() => forget(one.id)} />
    ${note && html`<small class="quiet">${note}</small>`}
  </li>`;
}

/** @param {{summaries: Kept[], settings: MemorySettings, writing: boolean}} props */
function Summaries({ summaries, settings, writing }) {
  const runs = sums.value || writing;
  const about = (/** @type {Kept} */ one) => [one.covers ? t("web.memory.covers", { count: one.covers }) : t("web.memory.covers_none"), one.in_force && t("web.memory.in_force"), one.edited && t("web.memory.edited")].filter(Boolean).join(" · ");
  return html`<section class="memory-part" aria-label=${t("web.memory.summaries")}>
    <h3>${t("web.memory.summaries")}</h3>
    ${isStory(chat.value) && html`<label class="check"><${Tick} value=${settings.summary === "auto"} save=${(/** @type {boolean} */ on) => setMemory({ summary: on ? "auto" : "off" })} /><span>${t("web.memory.auto")}</span></label>`}
    <label class="memory-number"><span>${t("web.memory.words")}</span><${Count} value=${settings.words} least="20" most="2000" save=${number("words")} /></label>
    <ul>${summaries.toReversed().map((one) => html`<${Editable} key=${one.id} one=${one} label=${t("web.memory.summary")} note=${about(one)} />`)}</ul>
    <button type="button" class="button" disabled=${runs || busy.value || !chat.value?.message_count} onClick=${sumUp}>${t(runs ? "web.memory.sums" : "web.memory.sum_up")}</button>
  </section>`;
}

/** @param {{value: number, least: string, most: string, save: (event: Event) => unknown}} props */
function Count({ value, least, most, save }) {
  const field = useHeld(value);
  return html`<input ref=${field} class="field" type="number" min=${least} max=${most} required onChange=${save} />`;
}

/** @param {"words" | "recall"} name */
const number = (name) => (/** @type {any} */ event) => event.target.reportValidity() && setMemory({ [name]: Number(event.target.value) });

/** @param {{documents: Kept[]}} props */
function Documents({ documents }) {
  const picked = (/** @type {any} */ event) => {
    for (const file of event.target.files) keepDocument(file);
    event.target.value = "";
  };
  return html`<section class="memory-part" aria-label=${t("web.memory.documents")}>
    <h3>${t("web.memory.documents")}</h3>
    <small class="quiet">${t("web.memory.documents_about")}</small>
    <ul>${documents.map((one) => html`<li key=${one.id} class="memory-one"><span>${t("web.memory.document", { name: one.name, characters: one.size })}</span><${IconButton} icon="trash" label=${t("web.memory.forget")} onClick=${() => forget(one.id)} /></li>`)}</ul>
    <label class="button">${t("web.memory.add_document")}<input class="sr-only" type="file" accept="text/*,.md,.txt" multiple onChange=${picked} /></label>
  </section>`;
}

/** @param {{settings: MemorySettings, embedder: null | {model: string, weak: boolean}}} props */
function Recalling({ settings, embedder }) {
  const [found, setFound] = useState(/** @type {{text: string, likeness: number}[] | null} */ (null));
  const [looks, find] = usePress(async (/** @type {any} */ event) => {
    event.preventDefault();
    const words = event.target.elements.namedItem("words").value.trim();
    if (words) setFound(await recalledFor(words));
  });
  const embeds = usable.value.filter((model) => model.pooling && model.pooling !== "rank");
  return html`<section class="memory-part" aria-label=${t("web.memory.recall")}>
    <h3>${t("web.memory.recall")}</h3>
    <label class="memory-number"><span>${t("web.memory.passages")}</span><${Count} value=${settings.recall} least="0" most="20" save=${number("recall")} /></label>
    <label class="block"><span>${t("web.memory.embedder")}</span>
      <${Pick} value=${settings.embedder} save=${(/** @type {string} */ embedder) => setMemory({ embedder })}>
        <option value="">${t("web.memory.embedder_usual")}</option>${embeds.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
      <//></label>
    ${embedder && html`<small class="quiet">${t(embedder.weak ? "web.memory.embedder_weak" : "web.memory.embedder_is", { model: embedder.model })}</small>`}
    <form class="row" onSubmit=${find}><input class="field" name="words" aria-label=${t("web.memory.find")} placeholder=${t("web.memory.find")} /><button type="submit" class="button" aria-busy=${looks || undefined}>${t("web.memory.look")}</button></form>
    ${found && !found.length && html`<p class="quiet">${t("web.memory.nothing")}</p>`}
    <ol>${(found ?? []).map((one, place) => html`<li key=${place} class="memory-passage"><small class="quiet">${t("web.memory.likeness", { share: one.likeness })}</small><p>${one.text}</p></li>`)}</ol>
  </section>`;
}
