// A group chat of several characters: who is in it, in which order, and how it is decided who answers. Knows no message.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { startGroup } from "../../state/card.js";
import { pictureOf } from "../../state/characters.js";
import { t } from "../../texts.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";

/** @import { Character } from "../../types.d.ts" */

const ORDERS = ["natural", "list", "manual", "pooled"];
const JOINS = ["swap", "append", "append_muted"];

/** @param {{ids: string[], close: () => void}} props */
export function Group({ ids, close }) {
  const [cast, setCast] = useState(/** @type {Character[]} */ ([]));
  const [title, setTitle] = useState("");
  const [order, setOrder] = useState(0);
  const [join, setJoin] = useState(0);
  useEffect(() => {
    let current = true;
    Promise.all(ids.map((id) => api.get(`/characters/${encodeURIComponent(id)}`).catch(() => null))).then((all) => current && setCast(all.filter(Boolean)));
    return () => void (current = false);
  }, [ids]);
  const swap = (/** @type {number} */ at, /** @type {number} */ to) => setCast(cast.map((one, index) => (index === at ? cast[to] : index === to ? cast[at] : one)));
  const begin = (/** @type {Event} */ event) => {
    event.preventDefault();
    close();
    startGroup({ members: cast.map(({ id }) => ({ character_id: id, muted: false })), order, join, auto_s: 0 }, title.trim());
  };
  const number = (/** @type {(value: number) => void} */ put) => (/** @type {any} */ event) => put(Number(event.target.value));
  return html`<${Dialog} title=${t("web.characters.group_title")} close=${close}>
    <form class="block" onSubmit=${begin}>
      <label class="block"><span class="label">${t("web.chats.title")}</span><input class="field" maxlength="200" placeholder=${cast.map(({ name }) => name).join(", ")} value=${title} onInput=${(/** @type {any} */ event) => setTitle(event.target.value)} /></label>
      <ol class="group-cast" aria-label=${t("web.story.group")}>
        ${cast.map((one, at) => html`<li key=${one.id}>
          ${one.picture ? html`<img src=${pictureOf(one, 96)} alt="" />` : html`<span aria-hidden="true">${[...one.name][0]}</span>`}
          <span>${one.name}</span>
          <${IconButton} icon="up" label=${t("web.card.earlier", { name: one.name })} disabled=${at === 0} onClick=${() => swap(at, at - 1)} />
          <${IconButton} icon="down" label=${t("web.card.later", { name: one.name })} disabled=${at === cast.length - 1} onClick=${() => swap(at, at + 1)} />
          <${IconButton} icon="close" label=${t("web.characters.leave", { name: one.name })} disabled=${cast.length < 2} onClick=${() => setCast(cast.filter((other) => other !== one))} />
        </li>`)}
      </ol>
      <label class="block"><span class="label">${t("web.story.order")}</span><select class="field" value=${String(order)} onChange=${number(setOrder)}>${ORDERS.map((name, value) => html`<option key=${name} value=${String(value)}>${t(`web.story.order_${name}`)}</option>`)}</select></label>
      <label class="block"><span class="label">${t("web.characters.join")}</span><select class="field" value=${String(join)} onChange=${number(setJoin)}>${JOINS.map((name, value) => html`<option key=${name} value=${String(value)}>${t(`web.characters.join_${name}`)}</option>`)}</select></label>
      <button type="submit" class="button button-main" disabled=${!cast.length}>${t("web.characters.group_begin")}</button>
    </form>
  <//>`;
}
