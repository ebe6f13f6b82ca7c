// At the right: what the novel is told with. Its pages: the story, the chapter, lore, memory, the model, the prompt. A
// field is saved when it is left. Knows the open document.
// @ts-check
import { useEffect } from "preact/hooks";
import { base, chapter, doc, kind, setSettings } from "../../state/manuscript.js";
import { loadLorebooks, lorebooks } from "../../state/story.js";
import { LANGUAGES, LANGUAGE_NAMES, t } from "../../texts.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";
import { Pick, Tick } from "../Kept.js";
import { later } from "../later.js";
import { alter } from "./Chapters.js";
import { besideOpen } from "./looks.js";
import { PackChoice, usePacks } from "./NewWork.js";
import { useHeld } from "../useHeld.js";
import { Voice } from "./Voice.js";

/** @import { Novel } from "../../types.d.ts" */

const Memory = later(() => import("./Memory.js"), "Memory");
const Prompt = later(() => import("./Prompt.js"), "Prompt");

const PAGES = /** @type {Record<string, any>} */ ({ story: Story, chapter: OfChapter, lore: Lore, memory: Memory, voice: Voice, prompt: Prompt });
const OF = { novels: ["story", "chapter", "lore", "memory", "voice", "prompt"], notebooks: ["voice", "prompt"] };

const close = () => (besideOpen.value = "");

/** @param {{id: string}} props of the document that is to be open: until it is, nothing is told */
export function Beside({ id }) {
  const pages = OF[kind.value];
  const open = pages.includes(besideOpen.value) ? besideOpen.value : besideOpen.value && pages[0];
  if (doc.value?.id !== id || !base.value || !open) return null;
  return html`<aside class="beside" aria-label=${t("web.write.beside")}>
    <div class="panel-head"><div class="beside-tabs" role="tablist" onKeyDown=${(/** @type {KeyboardEvent} */ event) => turn(event, pages, open)}>
      ${pages.map((name) => html`<button key=${name} type="button" role="tab" id=${`tab-${name}`} aria-controls="beside-page" aria-selected=${name === open} tabindex=${name === open ? 0 : -1} onClick=${() => (besideOpen.value = name)}>${t(`web.write.page_${name}`)}</button>`)}
    </div><${IconButton} icon="close" label=${t("web.close")} onClick=${close} /></div>
    <div class="beside-page" id="beside-page" role="tabpanel" aria-labelledby=${`tab-${open}`} key=${open}><${PAGES[open]} now=${doc.value} /></div>
  </aside>`;
}

/** @param {KeyboardEvent} event @param {string[]} pages @param {string} open */
function turn(event, pages, open) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  besideOpen.value = pages[(pages.indexOf(open) + step + pages.length) % pages.length];
  requestAnimationFrame(() => document.getElementById(`tab-${besideOpen.value}`)?.focus());
}

/** A field that is saved when it is left. @param {{label: string, about?: string, value: string, rows?: number, placeholder?: string, save: (value: string) => unknown}} props */
export function Area({ label, about, value, rows = 3, placeholder = "", save }) {
  const field = useHeld(value);
  const left = (/** @type {any} */ event) => save(event.target.value);
  return html`<label class="block"><span class="label">${label}</span>
    <textarea ref=${field} class="field" rows=${rows} placeholder=${placeholder} onChange=${left}></textarea>
    ${about && html`<small class="quiet">${about}</small>`}</label>`;
}

/** @param {{now: Novel}} props */
function Story({ now }) {
  const { settings } = now;
  const packs = usePacks();
  const facts = (/** @type {string} */ text) => setSettings({ facts: text.split("\n").map((line) => line.trim()).filter(Boolean) });
  return html`
    <${Area} label=${t("web.write.premise")} about=${t("web.write.premise_about")} rows=${4} placeholder=${t("web.write.premise_placeholder")} value=${settings.outline} save=${(/** @type {string} */ outline) => setSettings({ outline })} />
    <${Area} label=${t("web.write.facts")} about=${t("web.write.facts_about")} rows=${4} placeholder=${t("web.write.facts_placeholder")} value=${settings.facts.join("\n")} save=${facts} />
    <${Area} label=${t("web.write.notes")} about=${t("web.write.notes_about")} placeholder=${t("web.write.notes_placeholder")} value=${settings.notes} save=${(/** @type {string} */ notes) => setSettings({ notes })} />
    <${Area} label=${t("web.write.style")} about=${t("web.write.style_about")} rows=${2} placeholder=${t("web.write.style_placeholder")} value=${settings.prompt} save=${(/** @type {string} */ prompt) => setSettings({ prompt })} />
    <label class="block"><span class="label">${t("web.write.pack")}</span><${PackChoice} packs=${packs} language=${settings.language} value=${settings.pack} change=${(/** @type {string} */ pack) => setSettings({ pack })} /></label>
    <label class="block"><span class="label">${t("web.write.language")}</span>
      <${Pick} value=${settings.language} save=${(/** @type {string} */ language) => setSettings({ language })}>
        ${LANGUAGES.map((name) => html`<option key=${name} value=${name} lang=${name}>${LANGUAGE_NAMES[name]}</option>`)}
      <//></label>`;
}

function OfChapter() {
  const one = chapter.value;
  if (!one) return null;
  const save = (/** @type {string} */ name) => (/** @type {string} */ value) => alter(one, { [name]: value });
  return html`
    <${Area} key=${`${one.id}o`} label=${t("web.write.chapter_outline")} about=${t("web.write.chapter_outline_about")} rows=${5} value=${one.outline} save=${save("outline")} />
    <${Area} key=${`${one.id}n`} label=${t("web.write.chapter_notes")} about=${t("web.write.notes_about")} rows=${4} value=${one.notes} save=${save("notes")} />`;
}

/** @param {{now: Novel}} props */
function Lore({ now }) {
  useEffect(() => void loadLorebooks(), []);
  const { lorebooks: own, user } = now.settings;
  const called = useHeld(user);
  const list = lorebooks.value ?? [];
  const toggle = (/** @type {string} */ id, /** @type {boolean} */ on) => setSettings(({ settings }) => ({ lorebooks: [...settings.lorebooks.filter((/** @type {string} */ one) => one !== id), ...(on ? [id] : [])] }));
  return html`<p class="quiet">${t("web.write.lore_about")}</p>
    <fieldset class="beside-choice"><legend class="label">${t("web.story.lorebooks")}</legend>
      ${list.map(
        (book) => html`<label class="check" key=${book.id}>
          <${Tick} value=${book.links.everywhere || own.includes(book.id)} disabled=${book.links.everywhere} save=${(/** @type {boolean} */ on) => toggle(book.id, on)} />
          <span>${book.name}</span>${book.links.everywhere && html`<small class="quiet">${t("web.lore.everywhere")}</small>`}
        </label>`,
      )}
      <a class="quiet" href="#/lore">${t(list.length ? "web.story.lorebooks_edit" : "web.story.lorebooks_none")}</a>
    </fieldset>
    <label class="block"><span class="label">${t("web.write.user")}</span>
      <input ref=${called} class="field" onChange=${(/** @type {any} */ event) => setSettings({ user: event.target.value })} /><small class="quiet">${t("web.write.user_about")}</small></label>`;
}

