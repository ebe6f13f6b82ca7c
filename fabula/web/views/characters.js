// Characters: find one, take cards from files, begin to talk. Knows nothing of what is on a card.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../parts/Icon.js";
import { Menu } from "../parts/Menu.js";
import { Trouble } from "../parts/Trouble.js";
import { html } from "../parts/html.js";
import { characters, failure, importing, loadCharacters, loadMore, pictureOf, removeCharacter, searchFor, takeFiles, total, words } from "../state/characters.js";
import { talkTo } from "../state/chats.js";
import { personaName } from "../state/prefs.js";
import { models, usable } from "../state/system.js";
import { t } from "../texts.js";

/** @import { Character } from "../types.d.ts" */

const CHAR = /\{\{char\}\}|<BOT>|<CHAR>/gi;
const ACCEPTED = ".png,.apng,.json,.charx,.yaml,.yml,.byaf,.jpg,.jpeg";

export function CharactersView() {
  const [over, setOver] = useState(false);
  useEffect(() => void loadCharacters(), []);
  const drop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(false);
    takeFiles([...(event.dataTransfer?.files ?? [])]);
  };
  const drag = (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    setOver(true);
  };
  return html`<main class=${`page characters ${over ? "is-over" : ""}`} id="main" onDragOver=${drag} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <h1>${t("web.nav.characters")}</h1>
    <p class="lead">${t("web.characters.about")}</p>
    <p><a href="#/lore">${t("web.nav.lore")}</a></p>
    <${Tools} />
    <${List} />
    ${over && html`<div class="drop-note" aria-hidden="true">${t("web.characters.drop")}</div>`}
  </main>`;
}

function Tools() {
  const files = useRef(/** @type {HTMLInputElement | null} */ (null));
  const now = importing.value;
  const chosen = (/** @type {any} */ event) => {
    takeFiles([...event.target.files]);
    event.target.value = "";
  };
  return html`<div class="characters-tools">
    <label class="search"><${Icon} name="search" /><input
        type="search"
        class="field"
        placeholder=${t("web.characters.search")}
        aria-label=${t("web.characters.search")}
        value=${words.value}
        onInput=${(/** @type {any} */ event) => searchFor(event.target.value)}
    /></label>
    <button type="button" class="button" disabled=${Boolean(now)} onClick=${() => files.current?.click()}>
      <${Icon} name="get" />${now ? t("web.characters.importing", now) : t("web.characters.import")}
    </button>
    <input ref=${files} type="file" multiple hidden accept=${ACCEPTED} onChange=${chosen} />
    <label class="characters-persona">${t("web.characters.persona")}
      <input
        class="field"
        maxlength="200"
        placeholder=${t("web.characters.persona_placeholder")}
        value=${personaName.value}
        onInput=${(/** @type {any} */ event) => (personaName.value = event.target.value)}
      />
    </label>
  </div>`;
}

function List() {
  if (failure.value) return html`<${Trouble} error=${failure.value} retry=${loadCharacters} />`;
  const list = characters.value;
  if (!list) return html`<p class="quiet">${t("web.loading")}</p>`;
  if (!list.length) return html`<p class="quiet">${t(words.value ? "web.characters.none_found" : "web.characters.none")}</p>`;
  const without = models.value && !usable.value.length;
  return html`
    ${without && html`<p class="statement">${t("web.characters.no_model")}</p>`}
    <p class="quiet" role="status">${t("web.characters.count", { count: total.value })}</p>
    <ul class="characters-rows">${list.map((one) => html`<${Row} key=${one.id} character=${one} off=${without} />`)}</ul>
    ${list.length < total.value && html`<button type="button" class="button button-quiet" onClick=${loadMore}>${t("web.characters.more")}</button>`}
  `;
}

/** @param {{character: Character, off: boolean}} props */
function Row({ character, off }) {
  const { id, name, about, tags } = character;
  const picture = pictureOf(character);
  const items = [{ icon: "trash", label: t("web.characters.delete"), run: () => removeCharacter(character) }];
  return html`<li class="character">
    ${picture ? html`<img class="character-picture" src=${picture} alt=${t("web.characters.picture", { name })} loading="lazy" />` : html`<span class="character-picture" aria-hidden="true">${[...name][0]}</span>`}
    <div class="character-words">
      <h2>${name}</h2>
      <p class="quiet">${about.replace(CHAR, name)}</p>
      ${tags.length > 0 && html`<p class="character-tags quiet">${tags.join(" · ")}</p>`}
    </div>
    <button type="button" class="button" disabled=${off} aria-label=${t("web.characters.talk_to", { name })} onClick=${() => talkTo(id, personaName.value.trim())}>
      <${Icon} name="chats" />${t("web.characters.talk")}
    </button>
    <${Menu} label=${t("web.characters.menu", { name })} items=${items}><${Icon} name="more" /><//>
  </li>`;
}
