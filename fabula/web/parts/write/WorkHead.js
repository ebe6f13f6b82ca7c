// Above the page: title, model, how much there is and whether it is kept, and what can be done. Knows the open document.
// @ts-check
import { useState } from "preact/hooks";
import { back, doc, kind, set, state } from "../../state/manuscript.js";
import { download, putAway, roomOf, titleOf } from "../../state/novels.js";
import { busy } from "../../state/passages.js";
import { lastModel } from "../../state/prefs.js";
import { go } from "../../state/route.js";
import { models } from "../../state/system.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon, IconButton } from "../Icon.js";
import { Menu } from "../Menu.js";
import { useKept } from "../useKept.js";
import { modelNote } from "../words.js";
import { openFind } from "./FindBar.js";
import { goalOf, setGoal } from "./goals.js";
import { besideOpen, chancesShown, chaptersOpen, drawerOpen, flip, marksShown, setOnlyText } from "./looks.js";

/** @param {{id: string}} props of the document that is to be open: until it is, nothing can be done with the one before */
export function WorkHead({ id }) {
  const now = doc.value?.id === id ? doc.value : null;
  const isNovel = kind.value === "novels";
  const toggle = () => (besideOpen.value = besideOpen.value ? "" : isNovel ? "story" : "prompt");
  return html`<header class="work-head">
    <a class="icon-button" href="#/write" aria-label=${t("web.write.to_shelf")} title=${t("web.write.to_shelf")}><${Icon} name="left" /></a>
    ${isNovel && html`<${IconButton} icon="sidebar" class="only-wide" label=${t("web.write.chapters_toggle")} aria-expanded=${chaptersOpen.value === "yes"} onClick=${() => flip(chaptersOpen)} />
      <${IconButton} icon="sidebar" class="only-narrow" label=${t("web.write.chapters_open")} onClick=${() => (drawerOpen.value = true)} />`}
    ${now && html`<div class="work-names"><${Title} key=${`t${now.id}`} title=${now.title} /><${ModelPicker} key=${`m${now.id}`} model=${now.model} /></div>
      <${Kept} />
      <${IconButton} icon="undo" label=${t("web.undo")} disabled=${busy.value || !(now.can_undo || state.value === "waiting")} onClick=${() => back("undo")} />
      <${IconButton} icon="redo" label=${t("web.redo")} class="only-wide" disabled=${busy.value || !now.can_redo} onClick=${() => back("redo")} />
      ${!isNovel && html`<${IconButton} icon="chances" label=${t("web.write.chances")} aria-pressed=${chancesShown.value === "yes"} onClick=${() => flip(chancesShown)} />`}
      <${IconButton} icon="sliders" label=${t("web.write.beside")} aria-expanded=${besideOpen.value !== ""} onClick=${toggle} />
      <${Menu} label=${t("web.more")} items=${menuOf()}><${Icon} name="more" /><//>`}
  </header>`;
}

function menuOf() {
  const now = /** @type {import("../../types.d.ts").Novel} */ (doc.value);
  const room = roomOf(now.kind);
  const leave = async () => {
    go("#/write");
    await putAway(room, now);
  };
  return [
    { icon: "redo", label: t("web.redo"), keys: "Ctrl Y", disabled: busy.value || !now.can_redo, run: () => back("redo") },
    { icon: "search", label: t("web.write.find"), keys: "Ctrl F", run: openFind },
    { label: t("web.write.only_text"), keys: "Alt T", run: () => setOnlyText(true) },
    { label: t("web.write.marks"), checked: marksShown.value === "yes", run: () => flip(marksShown) },
    { icon: "get", label: t("web.write.as_markdown"), run: () => download(room, now.id, "markdown") },
    { icon: "get", label: t("web.write.as_text"), run: () => download(room, now.id, "text") },
    { icon: "get", label: t("web.write.as_html"), run: () => download(room, now.id, "html") },
    { icon: "trash", label: t("web.write.to_trash"), disabled: busy.value, run: leave },
  ];
}

/** How much there is, how near the goal is, and whether the studio has it all. */
function Kept() {
  const [setting, setSetting] = useState(false);
  const now = /** @type {import("../../types.d.ts").Novel} */ (doc.value);
  const goal = goalOf(now.id);
  const words = goal ? t("web.write.of_goal", { words: now.words, goal }) : t("web.write.words", { words: now.words });
  const save = (/** @type {any} */ event) => (setGoal(now.id, Number(event.target.value)), setSetting(false));
  if (setting)
    return html`<input class="field work-goal" type="number" min="0" step="500" aria-label=${t("web.write.goal")} placeholder=${t("web.write.goal")} defaultValue=${goal || ""}
      ref=${(/** @type {HTMLInputElement | null} */ input) => input?.focus()} onBlur=${save} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && save(event)} />`;
  return html`<span class="work-kept">
    <button type="button" class="work-words tabular" title=${t("web.write.goal")} onClick=${() => setSetting(true)}>${words}
      ${goal > 0 && html`<span class="meter"><span style=${{ width: `${Math.min(1, now.words / goal) * 100}%` }}></span></span>`}</button>
    <span class=${`work-state work-state-${state.value}`} role="status">${t(`web.write.state_${state.value}`)}</span>
  </span>`;
}

/** @param {{title: string}} props */
function Title({ title: kept }) {
  const [title, rename] = useKept(kept, (name) => set({ title: name }));
  const [typed, setTyped] = useState(/** @type {string | null} */ (null));
  const save = () => {
    if (typed !== null && typed.trim() !== title) rename(typed.trim());
    setTyped(null);
  };
  if (typed === null) return html`<h1 class="work-title"><button type="button" title=${t("web.write.rename")} onClick=${() => setTyped(title)}>${titleOf({ title })}</button></h1>`;
  return html`<input class="field work-title" aria-label=${t("web.write.name")} value=${typed}
    ref=${(/** @type {HTMLInputElement | null} */ input) => input && document.activeElement !== input && input.focus()}
    onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} onBlur=${save}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && !event.isComposing) save();
      if (event.key === "Escape") setTyped(null);
    }} />`;
}

/** @param {{model: string}} props */
function ModelPicker({ model: kept }) {
  const list = models.value ?? [];
  const [model, pick] = useKept(kept, (name) => ((lastModel.value = name), set({ model: name })));
  const items = list.map((one) => ({ label: one.name, note: one.problem || modelNote(one), checked: one.name === model, disabled: Boolean(one.problem), run: () => pick(one.name) }));
  const words = model || t("web.chat.pick_model");
  return html`<${Menu} label=${t("web.chat.model", { model: words })} items=${items} class="work-picker" align="left"><span>${words}</span><${Icon} name="down" /><//>`;
}

