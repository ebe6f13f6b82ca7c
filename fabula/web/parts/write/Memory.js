// What the novel remembers beyond its window: summaries of chapters, documents and lost text of which passages are found.
// Knows the open novel.
// @ts-check
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "../../api.js";
import { change, doc, path, setSettings, takeDoc } from "../../state/manuscript.js";
import { listenFor } from "../../state/events.js";
import { tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon, IconButton } from "../Icon.js";
import { Tick } from "../Kept.js";
import { Area } from "./Beside.js";
import { alter, nameOf } from "./Chapters.js";
import { useHeld } from "../useHeld.js";

/** @import { Chapter, Novel, NovelMemory } from "../../types.d.ts" */

const memory = signal(/** @type {NovelMemory | null} */ (null));
const summing = signal("");

async function load() {
  const id = doc.value?.id;
  const got = await api.get(`${path()}/memory`).catch((error) => (tellError(error), null));
  if (got && doc.value?.id === id) memory.value = got;
}

/** @param {{now: Novel}} props */
export function Memory({ now }) {
  useEffect(() => {
    memory.value = null;
    load();
    return listenFor("novel", ({ id }) => id === now.id && load());
  }, [now.id]);
  const told = memory.value;
  return html`
    ${told?.problem && html`<p class="notice" role="alert">${told.problem.message}</p>`}
    <${Summaries} now=${now} told=${told} />
    <${Documents} now=${now} told=${told} />
  `;
}

/** @param {{now: Novel, told: NovelMemory | null}} props */
function Summaries({ now, told }) {
  const { summary, words } = now.settings;
  return html`<section class="beside-part"><h3>${t("web.write.summaries")}</h3>
    <label class="check"><${Tick} value=${summary === "auto"} save=${(/** @type {boolean} */ on) => setSettings({ summary: on ? "auto" : "off" })} /><span>${t("web.write.summary_auto")}</span></label>
    <${Count} label=${t("web.write.summary_words")} least=${20} most=${2000} value=${words} save=${(/** @type {number} */ words) => setSettings({ words })} />
    ${told?.writing && html`<p class="quiet" role="status">${t("web.write.summing_itself")}</p>`}
    ${now.chapters.map((one, index) => html`<${Summary} key=${one.id} one=${one} index=${index} told=${told?.summaries.find(({ chapter_id: id }) => id === one.id)} />`)}
    <small class="quiet">${t("web.write.summaries_about")}</small>
  </section>`;
}

/** @param {{label: string, least: number, most: number, value: number, save: (value: number) => unknown}} props */
function Count({ label, least, most, value, save }) {
  const field = useHeld(value);
  const left = (/** @type {any} */ event) => event.target.reportValidity() && save(Number(event.target.value));
  return html`<label class="check"><span>${label}</span><input ref=${field} class="field beside-number" type="number" required min=${least} max=${most} onChange=${left} /></label>`;
}

/** @param {{one: Chapter, index: number, told: NovelMemory["summaries"][number] | undefined}} props */
function Summary({ one, index, told }) {
  const sumUp = async () => {
    summing.value = one.id;
    const now = await change((revision) => api.post(`${path()}/chapters/${one.id}/summary`, { revision }));
    summing.value = "";
    if (now) takeDoc(now);
    await load();
  };
  const about = !told ? "" : told.stale ? t("web.write.summary_stale") : t("web.write.summary_covers", { count: told.covers });
  return html`<details class="beside-summary" open=${Boolean(one.summary)}>
    <summary>${nameOf(one, index)}${told?.stale && html` <small class="warn">${t("web.write.stale")}</small>`}</summary>
    <${Area} label=${t("web.write.summary_of", { title: nameOf(one, index) })} about=${about} rows=${4} value=${one.summary} save=${(/** @type {string} */ summary) => alter(one, { summary }).then(load)} />
    <button type="button" class="button button-quiet" disabled=${Boolean(summing.value) || !one.words} onClick=${sumUp}>${t(summing.value === one.id ? "web.write.summing" : "web.write.sum_up")}</button>
  </details>`;
}

// ── documents ───────────────────────────────────────────────────────────────────────────────────────

/** @param {{now: Novel, told: NovelMemory | null}} props */
function Documents({ now, told }) {
  const files = useRef(/** @type {HTMLInputElement | null} */ (null));
  const add = async (/** @type {any} */ event) => {
    const place = path(); // another novel may be open before the last of them is there
    for (const file of [...event.target.files]) await api.post(`${place}/memory/documents`, { name: file.name, text: await file.text() }).catch(tellError);
    event.target.value = "";
    if (place !== path()) return;
    if (!now.settings.recall) await setSettings({ recall: 3 });
    await load();
  };
  const drop = async (/** @type {string} */ id) => {
    await api.remove(`${path()}/memory/documents/${id}`).catch(tellError);
    await load();
  };
  return html`<section class="beside-part"><h3>${t("web.write.documents")}</h3>
    <${Count} label=${t("web.write.recall")} least=${0} most=${20} value=${now.settings.recall} save=${(/** @type {number} */ recall) => setSettings({ recall })} />
    <ul class="beside-list">${told?.documents.map((one) => html`<li key=${one.id}><span>${one.name}</span><span class="quiet tabular">${t("web.write.characters", { count: one.size })}</span><${IconButton} icon="trash" label=${t("web.write.forget", { name: one.name })} onClick=${() => drop(one.id)} /></li>`)}</ul>
    <button type="button" class="button" onClick=${() => files.current?.click()}><${Icon} name="plus" />${t("web.write.attach")}</button>
    <input ref=${files} type="file" multiple hidden accept=".txt,.md,text/*" aria-label=${t("web.write.attach")} onChange=${add} />
    <small class="quiet">${t("web.write.documents_about")} ${told?.embedder?.weak && t("web.write.embedder_weak", { model: told.embedder.model })}</small>
    <${Search} />
  </section>`;
}

const found = signal(/** @type {{source_id: string, number: number, text: string, likeness: number}[] | null} */ (null));

function Search() {
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const q = new FormData(event.target).get("q");
    const place = path();
    const got = q ? await api.get(`${place}/memory/passages?q=${encodeURIComponent(String(q))}`).catch((error) => (tellError(error), null)) : null;
    if (place === path()) found.value = got?.passages ?? null;
  };
  return html`<form class="beside-search" onSubmit=${submit}>
      <input class="field" name="q" type="search" aria-label=${t("web.write.try_recall")} placeholder=${t("web.write.try_recall")} />
      <button type="submit" class="button">${t("web.write.try")}</button></form>
    ${found.value?.length === 0 && html`<p class="quiet">${t("web.write.nothing_recalled")}</p>`}
    <ul class="beside-list beside-found">${found.value?.map((one) => html`<li key=${`${one.source_id}${one.number}`}><p>${one.text}</p><span class="quiet tabular">${one.likeness.toFixed(2)}</span></li>`)}</ul>`;
}
