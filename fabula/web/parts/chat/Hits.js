// Messages that have the words that are looked for: a click goes there. Knows the list, not the open chat.
// @ts-check
import { titleOf } from "../../state/chats.js";
import { moreHits, results } from "../../state/keeping.js";
import { t } from "../../texts.js";
import { closeDrawer } from "../ChatList.js";
import { html } from "../html.js";
import { when } from "../words.js";

/** @import { Hit } from "../../types.d.ts" */

export function Hits() {
  const found = results.value;
  if (!found) return null;
  return html`<h3 class="chats-kind">${t("web.keep.found_messages")}</h3>
    <ul>
      ${found.hits.map((hit) => html`<${Row} key=${hit.message_id} hit=${hit} />`)}
      ${found.more && html`<li><button type="button" class="button button-quiet" onClick=${moreHits}>${t("web.keep.more")}</button></li>`}
    </ul>`;
}

/** @param {{hit: Hit}} props */
function Row({ hit }) {
  const { excerpt, match, chat_id: chat, message_id: message } = hit;
  const [start, end] = match ?? [0, 0];
  const title = titleOf(/** @type {any} */ ({ title: hit.chat_title }));
  return html`<li class="chats-row"><a class="chats-open hit" href=${`#/chat/${encodeURIComponent(chat)}/${encodeURIComponent(message)}`} onClick=${closeDrawer}>
    <span class="hit-words">${excerpt.slice(0, start)}${match && html`<mark>${excerpt.slice(start, end)}</mark>`}${excerpt.slice(end)}</span>
    <span class="chats-about quiet"><span class="chats-marks">${[title, hit.author].filter(Boolean).join(" · ")}</span><time>${when(hit.created_at)}</time></span>
  </a></li>`;
}
