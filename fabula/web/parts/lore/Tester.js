// Say something, and see what of the book comes in and why. Asks the studio, which looks as it does for prompts.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { book, entries, looked } from "../../state/lorebook.js";
import { chats, titleOf } from "../../state/chats.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";

/** @import { LoreTested } from "../../types.d.ts" */

const PAUSE_MS = 350;
const SHOWN = 200; // of those that stay out

/** @param {{id: string, open: () => void}} props */
export function Tester({ id, open }) {
  const [text, setText] = useState("");
  const [chatId, setChatId] = useState("");
  const [tested, setTested] = useState(/** @type {LoreTested | null} */ (null));
  const [problem, setProblem] = useState(/** @type {{message: string} | null} */ (null));
  const asked = useRef(0);
  const revision = book.value?.revision;
  useEffect(() => {
    const question = (asked.current += 1);
    if (!text.trim() && !chatId) return void setTested(null);
    const timer = setTimeout(async () => {
      const answer = api.post(`/lorebooks/${encodeURIComponent(id)}/test`, { text, chat_id: chatId });
      const [got, wrong] = await answer.then((found) => [found, null], (error) => [null, error]);
      if (question !== asked.current) return;
      if (got) setTested(got);
      setProblem(wrong);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, chatId, revision, id]);
  const stories = (chats.value ?? []).filter((chat) => chat.character_id || chat.story?.group);
  return html`<section class="lore-test" aria-label=${t("web.lore.side_test")}>
    <h2>${t("web.lore.side_test")}</h2>
    <textarea class="field card-text" rows="3" aria-label=${t("web.lore.say")} placeholder=${t("web.lore.say")} value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)}></textarea>
    ${stories.length > 0 && html`<label class="block"><span class="quiet">${t("web.lore.in_chat")}</span><select class="field" value=${chatId} onChange=${(/** @type {any} */ event) => setChatId(event.target.value)}>
      <option value="">${t("web.lore.no_chat")}</option>
      ${stories.map((chat) => html`<option key=${chat.id} value=${chat.id}>${titleOf(chat)}</option>`)}
    </select></label>`}
    ${problem && html`<${Trouble} error=${problem} />`}
    ${tested ? html`<${Result} tested=${tested} open=${open} />` : html`<p class="quiet">${t("web.lore.test_about")}</p>`}
  </section>`;
}

/** @param {{tested: LoreTested, open: () => void}} props */
function Result({ tested, open }) {
  const told = tested.entries.filter((one) => one.told);
  const others = tested.entries.filter((one) => !one.told);
  return html`<div class="lore-result" role="status">
    <p>${told.length ? t("web.lore.fired", { count: told.length, tokens: tested.tokens, budget: tested.budget }) : t("web.lore.none_fired")}</p>
    ${tested.overflowed && html`<p class="notice">${t("web.lore.overflowed")}</p>`}
    <ul class="lore-fired">${told.map((one) => html`<${One} key=${`${one.book} ${one.uid}`} one=${one} open=${open} />`)}</ul>
    <details><summary>${t("web.lore.stay_out", { count: others.length })}</summary><ul class="lore-fired">${others.slice(0, SHOWN).map((one) => html`<${One} key=${`${one.book} ${one.uid}`} one=${one} open=${open} />`)}</ul></details>
    <p class="quiet">${tested.estimated ? t("web.card.estimated") : t("web.card.counted", { model: tested.model })} ${t("web.lore.searched", { count: tested.searched })}</p>
  </div>`;
}

/** @param {{one: LoreTested["entries"][0], open: () => void}} props */
function One({ one, open }) {
  const own = one.book === book.value?.name && entries.value.some((entry) => String(entry.uid) === one.uid);
  const name = one.label || t("web.lore.unnamed");
  const by = one.brought_by && one.brought_by !== "chat" ? t("web.lore.brought_by", { entry: one.brought_by }) : "";
  return html`<li class=${one.told ? "" : "quiet"}>
    ${own ? html`<button type="button" class="link-button" onClick=${() => ((looked.value = one.uid), open())}>${name}</button>` : html`<span>${name} <small class="quiet">${one.book}</small></span>`}
    ${one.tokens > 0 && html`<small class="tabular quiet">${t("web.lore.tokens", { tokens: one.tokens })}</small>`}
    <small>${t(`story.lore_reasons.${one.reason}`)}${one.key && html`: <code>${one.key}</code>`} ${by}</small>
  </li>`;
}
