// A card as it will read: a greeting as in a chat, and its texts with macros resolved. Knows no model.
// @ts-check
import { useState } from "preact/hooks";
import { dataNow, startChat } from "../../state/card.js";
import { pictureOf } from "../../state/characters.js";
import { models, usable } from "../../state/system.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon, IconButton, Press } from "../Icon.js";
import { Markdown } from "../Markdown.js";
import { nameOf } from "./Tokens.js";
import { weighed } from "./weights.js";

/** @import { WholeCharacter, Weighed } from "../../types.d.ts" */

const BODY = ["description", "personality", "scenario", "mes_example", "creator_notes"];

/** @param {{now: WholeCharacter}} props */
export function Preview({ now }) {
  const [place, setPlace] = useState(0);
  const told = weighed.value;
  if (!told) return html`<p class="quiet">${t("web.loading")}</p>`;
  const greetings = told.parts.filter((part) => part.when === "greeting");
  const at = Math.min(place, greetings.length - 1);
  const name = dataNow().nickname || dataNow().name || now.name;
  return html`
    ${greetings.length ? html`<${Greeting} now=${now} name=${name} greetings=${greetings} at=${at} go=${setPlace} />` : html`<p class="quiet">${t("web.card.no_greeting")}</p>`}
    ${BODY.map((field) => told.parts.find((part) => part.field === field)).map((part) => part && html`<details key=${part.field} class="card-told"><summary>${nameOf(part.field)}</summary><${Markdown} text=${part.text} pictures=${`character=${now.id}`} /></details>`)}
  `;
}

/** @param {{now: WholeCharacter, name: string, greetings: Weighed["parts"], at: number, go: (place: number) => void}} props */
function Greeting({ now, name, greetings, at, go }) {
  const part = greetings[at];
  const picture = pictureOf(now, 96);
  const off = Boolean(models.value && !usable.value.length) || part.field.startsWith("group_only");
  return html`<article class="card-greeting" aria-label=${nameOf(part.field)}>
    <header>${picture && html`<img src=${picture} alt="" />`}<strong>${name}</strong></header>
    <${Markdown} text=${part.text} pictures=${`character=${now.id}`} />
    <footer class="row row-spread">
      <span class="swipes" role="group" aria-label=${t("web.card.greetings")}>
        <${IconButton} icon="left" label=${t("web.message.previous")} disabled=${at <= 0} onClick=${() => go(at - 1)} />
        <span class="swipes-count">${at + 1}/${greetings.length}</span>
        <${IconButton} icon="right" label=${t("web.message.next")} disabled=${at >= greetings.length - 1} onClick=${() => go(at + 1)} />
      </span>
      <${Press} class="button" disabled=${off} onClick=${() => startChat(now.id, { greeting: numberOf(part.field) })}><${Icon} name="chats" />${t("web.card.begin_so")}<//>
    </footer>
  </article>`;
}

/** The place of a greeting among those of a chat. @param {string} field */
const numberOf = (field) => (field === "first_mes" ? 0 : Number(field.split(".")[1]) + (dataNow().first_mes ? 1 : 0));
