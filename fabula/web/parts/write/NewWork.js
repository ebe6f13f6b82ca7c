// What a new novel or notebook begins with: its name, who writes, what it is about. All of it can be changed later. Knows
// no open document.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { create } from "../../state/novels.js";
import { lastModel } from "../../state/prefs.js";
import { loadLorebooks, lorebooks } from "../../state/story.js";
import { preferredModel, usable } from "../../state/system.js";
import { tellError } from "../../state/toasts.js";
import { LANGUAGES, LANGUAGE_NAMES, language, t } from "../../texts.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { usePress } from "../Icon.js";
import { useEdited } from "../useKept.js";

/** @typedef {{id: string, name: string, role: string, language: string, built_in: boolean}} Pack */

/** @param {{room: "novels" | "notebooks", close: () => void}} props */
export function NewWork({ room, close }) {
  const isNovel = room === "novels";
  const [books, setBooks] = useState(/** @type {string[]} */ ([]));
  const { now: model, edit: setModel } = useEdited(preferredModel.value);
  const [begins, submit] = usePress(async (/** @type {any} */ event) => {
    event.preventDefault();
    const form = Object.fromEntries(new FormData(event.target));
    lastModel.value = String(form.model ?? "");
    if (await create(room, isNovel ? novelOf(form, books) : { title: form.title, model: form.model, text: form.text })) close();
  });
  return html`<${Dialog} title=${t(isNovel ? "web.write.new_novel" : "web.write.new_notebook")} close=${close}>
    <form class="new-work" onSubmit=${submit}>
      <label class="block"><span class="label">${t("web.write.name")}</span><input class="field" name="title" maxlength="1000" autofocus placeholder=${t("web.write.untitled")} /></label>
      <label class="block"><span class="label">${t("web.write.model")}</span>
        <select class="field" name="model" value=${model} onChange=${(/** @type {any} */ event) => setModel(event.target.value)}>
          ${usable.value.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
        </select></label>
      ${isNovel ? html`<${OfNovel} books=${books} setBooks=${setBooks} />` : html`<${OfNotebook} />`}
      <button type="submit" class="button button-main" aria-busy=${begins || undefined}>${t("web.write.begin")}</button>
    </form>
  <//>`;
}

/** @param {Record<string, any>} form @param {string[]} books */
function novelOf(form, books) {
  const settings = { language: form.language, pack: form.pack, prompt: form.prompt, outline: form.outline, lorebooks: books };
  return { title: form.title, model: form.model, settings };
}

function OfNotebook() {
  return html`<label class="block"><span class="label">${t("web.write.first_text")}</span>
    <textarea class="field" name="text" rows="4" placeholder=${t("web.write.first_text_placeholder")}></textarea>
    <small class="quiet">${t("web.write.notebook_about")}</small></label>`;
}

/** @param {{books: string[], setBooks: (ids: string[]) => void}} props */
function OfNovel({ books, setBooks }) {
  const packs = usePacks();
  const [told, setTold] = useState(language.value);
  useEffect(() => void loadLorebooks(), []);
  const toggle = (/** @type {string} */ id) => setBooks(books.includes(id) ? books.filter((one) => one !== id) : [...books, id]);
  const own = (lorebooks.value ?? []).filter((book) => !book.links.everywhere);
  return html`
    <label class="block"><span class="label">${t("web.write.premise")}</span><textarea class="field" name="outline" rows="3" placeholder=${t("web.write.premise_placeholder")}></textarea></label>
    <label class="block"><span class="label">${t("web.write.style")}</span><textarea class="field" name="prompt" rows="2" placeholder=${t("web.write.style_placeholder")}></textarea></label>
    <div class="new-work-pair">
      <label class="block"><span class="label">${t("web.write.language")}</span>
        <select class="field" name="language" value=${told} onChange=${(/** @type {any} */ event) => setTold(event.target.value)}>
          ${LANGUAGES.map((name) => html`<option key=${name} value=${name} lang=${name}>${LANGUAGE_NAMES[name]}</option>`)}
        </select></label>
      <label class="block"><span class="label">${t("web.write.pack")}</span><${PackChoice} packs=${packs} language=${told} name="pack" /></label>
    </div>
    ${own.length > 0 && html`<fieldset class="beside-choice"><legend class="label">${t("web.story.lorebooks")}</legend>
      ${own.map((book) => html`<label class="check" key=${book.id}><input type="checkbox" checked=${books.includes(book.id)} onChange=${() => toggle(book.id)} /><span>${book.name}</span></label>`)}
    </fieldset>`}
  `;
}

export function usePacks() {
  const [packs, setPacks] = useState(/** @type {Pack[]} */ ([]));
  useEffect(() => void api.get("/packs").then((got) => setPacks(got.packs), tellError), []);
  return packs;
}

/** System prompts of a language, and one's own. @param {{packs: Pack[], language: string, name?: string, value?: string, change?: (id: string) => unknown}} props without `change` it keeps what is chosen itself */
export function PackChoice({ packs, language: told, name, value: kept = "", change }) {
  const { now: value, edit, done } = useEdited(kept);
  const fitting = packs.filter((pack) => !pack.built_in || pack.language === told || pack.id === value);
  const choose = async (/** @type {string} */ id) => {
    edit(id);
    if (!change) return;
    await change(id);
    done(id);
  };
  return html`<select class="field" name=${name} value=${value} onChange=${(/** @type {any} */ event) => choose(event.target.value)}>
    <option value="">${t("web.write.pack_usual")}</option>
    ${fitting.map((pack) => html`<option key=${pack.id} value=${pack.id}>${pack.name}</option>`)}
  </select>`;
}
