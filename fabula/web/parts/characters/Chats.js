// The chats with a character: go on with one, or begin another as somebody. Knows no message.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { startChat } from "../../state/card.js";
import { titleOf } from "../../state/chats.js";
import { personaName } from "../../state/prefs.js";
import { loadPersonas, personas } from "../../state/story.js";
import { models, usable } from "../../state/system.js";
import { tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon, Press } from "../Icon.js";
import { when } from "../words.js";

/** @import { ListedChat, WholeCharacter } from "../../types.d.ts" */

const SHOWN = 20;

/** @param {{now: WholeCharacter}} props */
export function Chats({ now }) {
  const [chats, setChats] = useState(/** @type {ListedChat[] | null} */ (null));
  const [personaId, setPersonaId] = useState("");
  useEffect(() => {
    let current = true;
    api.get(`/chats?character_id=${encodeURIComponent(now.id)}&limit=${SHOWN}`).then((got) => current && setChats(got.chats), tellError);
    loadPersonas();
    return () => void (current = false);
  }, [now.id]);
  const off = Boolean(models.value && !usable.value.length);
  return html`<div class="block">
      <label class="block"><span class="label">${t("web.story.persona")}</span>
        <select class="field" value=${personaId} onChange=${(/** @type {any} */ event) => setPersonaId(event.target.value)}>
          <option value="">${t("web.story.persona_usual")}</option>
          ${(personas.value ?? []).map((one) => html`<option key=${one.id} value=${one.id}>${one.title ? `${one.name} (${one.title})` : one.name}</option>`)}
        </select></label>
      ${!personaId && html`<label class="block"><span class="label">${t("web.characters.persona")}</span>
        <input class="field" maxlength="200" placeholder=${t("web.characters.persona_placeholder")} value=${personaName.value} onInput=${(/** @type {any} */ event) => (personaName.value = event.target.value)} /></label>`}
      <${Press} class="button button-main" disabled=${off} onClick=${() => startChat(now.id, { personaId })}><${Icon} name="plus" />${t("web.chats.new")}<//>
    </div>
    <h2>${t("web.card.recent")}</h2>
    ${chats && !chats.length && html`<p class="quiet">${t("web.card.no_chats")}</p>`}
    <ul class="card-chats">${(chats ?? []).map((chat) => html`<li key=${chat.id}><a href=${`#/chat/${encodeURIComponent(chat.id)}`}><span>${titleOf(chat)}</span><small class="quiet">${chat.preview}</small><time class="quiet">${when(chat.updated_at)}</time></a></li>`)}</ul>`;
}
