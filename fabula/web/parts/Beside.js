// Who speaks in a message: the name, and where it is wanted the face and the time. Knows no text.
// @ts-check
import { useState } from "preact/hooks";
import { addressOf } from "../api.js";
import { chat } from "../state/chat.js";
import { look } from "../state/look.js";
import { html } from "./html.js";
import { when } from "./words.js";

/** @import { Message } from "../types.d.ts" */

/** @param {{message: Message, name: string}} props */
export function Beside({ message, name }) {
  const { avatars, times } = look.value;
  return html`${avatars && html`<${Face} message=${message} name=${name} />`}<span>${name}</span>${times && message.created_at > 0 && html` <time class="message-time" datetime=${new Date(message.created_at * 1000).toISOString()}>${when(message.created_at)}</time>`}`;
}

const PIXELS = 64; // drawn at half of that

/** The character's picture; who has none gets the first letter of the name. @param {{message: Message, name: string}} props */
function Face({ message, name }) {
  const [missing, setMissing] = useState("");
  const { character_id: id = "", story } = chat.value ?? {};
  const one = message.role === "assistant" && !story?.group ? id : "";
  if (!one || missing === one) return html`<span class="message-face" aria-hidden="true">${[...name][0]}</span>`;
  return html`<img class="message-face" alt="" loading="lazy" src=${addressOf(`/characters/${one}/thumbnail?size=${PIXELS}`)} onError=${() => setMissing(one)} />`;
}
