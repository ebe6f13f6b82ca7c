// The window onto a long chat: pages come in at either end without moving what is read; new text is followed only by
// a reader who is at the bottom. Knows no message's inside.
// @ts-check
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { atEnd, newer, older, page, toEnd, wish } from "../state/chat.js";
import { live, shown } from "../state/turn.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";
import { Message } from "./Message.js";

const BOTTOM_PX = 48; // closer than this counts as "at the bottom"
const AHEAD_PX = 1200; // fetch the next page this far before its edge is reached
const FIRST = 3; // messages that are drawn first where a chat is opened at its end: the others once the screen is full
const whenIdle = globalThis.requestIdleCallback ?? setTimeout;

/** @typedef {{id: string, top: number}} Anchor */

/** The first message on the screen and where it stands. @param {HTMLElement} scroller @returns {Anchor | null} */
function findAnchor(scroller) {
  const edge = scroller.getBoundingClientRect().top;
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (scroller.querySelectorAll(".message"))) {
    const { top, bottom } = element.getBoundingClientRect();
    if (bottom > edge) return { id: element.dataset.id ?? "", top };
  }
  return null;
}

/** @param {HTMLElement} scroller @param {Anchor | null} anchor */
function keepAnchor(scroller, anchor) {
  const element = anchor && scroller.querySelector(`[data-id="${CSS.escape(anchor.id)}"]`);
  if (element) scroller.scrollTop += element.getBoundingClientRect().top - anchor.top;
}

/** The message in the middle of the screen, with the focus. @param {HTMLElement} scroller @param {string} id */
function toMessage(scroller, id) {
  const element = /** @type {HTMLElement | null} */ (scroller.querySelector(`[data-id="${CSS.escape(id)}"]`));
  element?.scrollIntoView({ block: "center" });
  element?.focus({ preventScroll: true });
}

/** @param {HTMLElement} scroller */
const isAtBottom = (scroller) => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < BOTTOM_PX;

/** @param {{children?: any}} props what stands after the last message */
export function MessageList({ children }) {
  const scroller = useRef(/** @type {any} */ (null));
  const follows = useRef(true);
  const anchor = useRef(/** @type {Anchor | null} */ (null));
  const lastTop = useRef(0);
  const [away, setAway] = useState(false);
  const [most, setMost] = useState(FIRST);
  const { total } = page.value;
  const few = wish.value.to === "end" && shown.value.length > most;
  const messages = few ? shown.value.slice(-most) : shown.value;
  const start = page.value.start + shown.value.length - messages.length;
  const turn = live.value;

  const toBottom = () => (scroller.current.scrollTop = scroller.current.scrollHeight);
  const moved = () => {
    const node = scroller.current;
    if (!node) return; // browsers tell of a list that scrolled when it may be gone
    // Text that grew under the reader is no reason to stop following it; going up is.
    const wentUp = node.scrollTop < lastTop.current;
    follows.current = atEnd.value && (isAtBottom(node) || (follows.current && !wentUp));
    lastTop.current = node.scrollTop;
    setAway(!follows.current);
    if (few) isAtBottom(node) || setMost(Infinity);
    else if (node.scrollTop < AHEAD_PX) older();
    else if (node.scrollHeight - node.scrollTop - node.clientHeight < AHEAD_PX) newer();
    anchor.current = findAnchor(node);
  };

  /** A thought that is opened to be read is not scrolled past. @param {any} event */
  const opened = (event) => {
    if (!turn && event.target.closest(".thinking-fold")) follows.current = false;
  };

  useLayoutEffect(() => {
    if (follows.current) toBottom();
    else keepAnchor(scroller.current, anchor.current);
  }, [shown.value, start]);

  useLayoutEffect(() => {
    follows.current = wish.value.to === "end";
    if (wish.value.to === "end") toBottom();
    else if (wish.value.to === "start") scroller.current.scrollTop = 0;
    else toMessage(scroller.current, wish.value.to);
    moved();
  }, [wish.value]);

  useLayoutEffect(() => {
    if (few && scroller.current.scrollHeight <= scroller.current.clientHeight) setMost(2 * most);
    else if (!few) moved();
  }, [most]);

  useEffect(() => {
    let stays = true;
    whenIdle(() => stays && setMost(Infinity));
    const grown = new ResizeObserver(() => follows.current && scroller.current && toBottom());
    grown.observe(scroller.current.firstElementChild);
    grown.observe(scroller.current);
    return () => ((stays = false), grown.disconnect());
  }, []);

  return html`<div class="list-frame">
    <div class="list" ref=${scroller} onScroll=${moved} onClick=${opened}>
      <div class="column">
        ${messages.length > 0 && html`<div role="feed" aria-label=${t("web.chat.messages")} aria-busy=${turn !== null}>
          ${messages.map((message, index) => {
            const place = start + index + 1;
            const own = turn?.messageId === message.id ? turn : null;
            const last = index === messages.length - 1 && atEnd.value;
            return html`<${Message} key=${place} message=${message} live=${own} last=${last} place=${place} total=${Math.max(total, place)} />`;
          })}
        </div>`}
        ${atEnd.value && children}
      </div>
    </div>
    ${away && html`<button type="button" class="pill" onClick=${toEnd}><${Icon} name="down" />${t(turn ? "web.chat.new_text" : "web.chat.to_end")}</button>`}
  </div>`;
}
