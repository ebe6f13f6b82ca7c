// One character: its card to write in, and beside it what comes of it. Knows which parts there are, no field.
// @ts-check
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "../../api.js";
import { pictureOf, toggleFavourite, trash } from "../../state/characters.js";
import { character, closeCard, draw, failure, future, openCard, past, readAgain, redo, save, settle, standing, startChat, undo } from "../../state/card.js";
import { once } from "../../state/line.js";
import { goFromHere } from "../../state/route.js";
import { models, usable } from "../../state/system.js";
import { tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon, IconButton, Press } from "../Icon.js";
import { later } from "../later.js";
import { Menu } from "../Menu.js";
import { Trouble } from "../Trouble.js";
import { useKept } from "../useKept.js";
import { CardFields } from "./CardFields.js";
import { Chats } from "./Chats.js";
import { Tokens } from "./Tokens.js";
import { weigh } from "./weights.js";

/** @import { WholeCharacter } from "../../types.d.ts" */

const Preview = later(() => import("./Preview.js"), "Preview", "chat.css");
const SIDES = /** @type {const} */ (["preview", "tokens", "chats"]);
const FORMATS = /** @type {const} */ (["png", "json", "charx"]);

/** What is looked at beside the card; on narrow screens in its place ("card" is the card itself). */
const side = signal(/** @type {"card" | "preview" | "tokens" | "chats"} */ ("card"));

/** @param {{id: string}} props */
export function CardPage({ id }) {
  useEffect(() => {
    openCard(id);
    return closeCard;
  }, [id]);
  useEffect(weigh, []);
  const now = character.value;
  if (failure.value) return html`<main class="page" id="main"><${Back} /><${Trouble} error=${failure.value} retry=${() => openCard(id)} /></main>`;
  if (now?.id !== id) return html`<main class="page" id="main"><${Back} /><p class="quiet">${t("web.loading")}</p></main>`;
  const shown = side.value === "card" ? "preview" : side.value;
  return html`<main class="page card-page" id="main" data-side=${side.value} onKeyDown=${keyDown}>
    <${Back} />
    <${Head} now=${now} />
    ${standing.value === "conflict" && html`<${Conflict} />`}
    <div class="card-sides" role="tablist" aria-label=${t("web.card.sides")}>
      ${["card", ...SIDES].map((name) => html`<button key=${name} type="button" role="tab" class=${`button toggle ${name === "card" ? "card-only-narrow" : ""}`} aria-selected=${name === side.value || (side.value === "card" && name === "preview")} onClick=${() => (side.value = /** @type {any} */ (name))}>${t(`web.card.side_${name}`)}</button>`)}
    </div>
    <div class="card-columns">
      <${CardFields} now=${now} />
      <aside class="card-side" aria-label=${t(`web.card.side_${shown}`)}>
        ${shown === "preview" && html`<${Preview} now=${now} />`}
        ${shown === "tokens" && html`<${Tokens} />`}
        ${shown === "chats" && html`<${Chats} now=${now} />`}
      </aside>
    </div>
  </main>`;
}

const Back = () => html`<p class="card-back"><a href="#/characters">${t("web.card.back")}</a></p>`;

/** @param {KeyboardEvent} event */
function keyDown(event) {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s") return;
  event.preventDefault();
  save();
}

/** @param {{now: WholeCharacter}} props */
function Head({ now }) {
  const off = Boolean(models.value && !usable.value.length);
  const [favourite, favour] = useKept(now.favourite, (on) => toggleFavourite({ ...now, favourite: !on }).then(readAgain));
  return html`<header class="card-head">
    <${Picture} now=${now} />
    <div class="card-title">
      <h1>${now.name}</h1>
      <p class="quiet" role="status">${standing.value && standing.value !== "conflict" ? t(`web.card.${standing.value}`) : now.folder}</p>
    </div>
    <div class="row">
      <${Press} class="button button-main" disabled=${off} aria-label=${t("web.characters.talk_to", { name: now.name })} onClick=${() => startChat(now.id)}><${Icon} name="chats" />${t("web.characters.talk")}<//>
      <${IconButton} icon="undo" label=${t("web.card.undo")} disabled=${!past.value.length} onClick=${undo} />
      <${IconButton} icon="redo" label=${t("web.card.redo")} disabled=${!future.value.length} onClick=${redo} />
      <${IconButton} icon="star" class=${favourite ? "is-on" : ""} aria-pressed=${favourite} label=${t("web.characters.favourite", { name: now.name })} onClick=${() => favour(!favourite)} />
      <${Menu} label=${t("web.characters.menu", { name: now.name })} items=${itemsOf(now)}><${Icon} name="more" /><//>
    </div>
  </header>`;
}

/** @param {WholeCharacter} now */
function itemsOf(now) {
  const file = (/** @type {string} */ format) => api.addressOf(`/characters/${encodeURIComponent(now.id)}/file?format=${format}`);
  const exports = FORMATS.map((format) => ({ icon: "away", label: t("web.characters.export_as", { format: format.toUpperCase() }), run: async () => (await save(), location.assign(file(format))) }));
  return [
    { icon: "copy", label: t("web.card.copy"), run: () => copy(now) },
    ...exports,
    { icon: "trash", label: t("web.characters.delete"), run: () => away(now) },
  ];
}

/** @param {WholeCharacter} now */
function away({ id }) {
  const goThere = goFromHere();
  return trash(new Set([id]), true).then(() => goThere("#/characters"));
}

/** @param {WholeCharacter} now */
const copy = (now) => once(`copy ${now.id}`, () => copied(now));

/** @param {WholeCharacter} now */
async function copied(now) {
  const goThere = goFromHere();
  await save();
  const name = t("web.card.copy_name", { name: now.name });
  await api.post(`/characters/${encodeURIComponent(now.id)}/copy`, { name }).then(({ id }) => goThere(`#/characters/${encodeURIComponent(id)}`), tellError);
}

/** @param {{now: WholeCharacter}} props */
function Picture({ now }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const picture = pictureOf(now);
  const take = (/** @type {any} */ event) => {
    const [file] = event.target.files;
    if (file) draw(file);
    event.target.value = "";
  };
  return html`<button type="button" class="card-picture" title=${t("web.card.picture")} aria-label=${t("web.card.picture")} onClick=${() => input.current?.click()}>
      ${picture ? html`<img src=${picture} alt=${t("web.characters.picture", { name: now.name })} />` : html`<span aria-hidden="true">${[...now.name][0]}</span>`}
      <${Icon} name="edit" />
    </button>
    <input ref=${input} type="file" hidden accept="image/png,image/jpeg,image/webp,image/gif" aria-label=${t("web.card.picture")} onChange=${take} />`;
}

function Conflict() {
  return html`<div class="trouble" role="alert">
    <p>${t("web.card.conflict")}</p>
    <button type="button" class="button" onClick=${() => settle(false)}>${t("web.card.take_theirs")}</button>
    <button type="button" class="button" onClick=${() => settle(true)}>${t("web.card.keep_mine")}</button>
  </div>`;
}
