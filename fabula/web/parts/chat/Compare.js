// Two texts side by side, with the words marked that differ: alternatives, branches, versions. Knows the open chat.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { chat, editMessage, goTo } from "../../state/chat.js";
import { mergeBranch } from "../../state/tree.js";
import { busy } from "../../state/turn.js";
import { t } from "../../texts.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { IconButton, Press } from "../Icon.js";
import { nameOf } from "../Message.js";
import { scriptOf } from "../renderMarkdown.js";
import { Trouble } from "../Trouble.js";
import { when } from "../words.js";
import { comparing } from "./comparing.js";
import { differences } from "./diff.js";

/** @import { Message, Version } from "../../types.d.ts" */
/** @typedef {{title: string, text: string, use?: () => Promise<unknown>}} Side what stands on one side */

const close = () => (comparing.value = null);

export function Compare() {
  const wanted = comparing.value;
  if (!wanted) return null;
  return html`<${Dialog} title=${t("web.compare.title")} close=${close}>
    <div class="compare">
      ${"message" in wanted ? html`<${Texts} key=${wanted.message.id} message=${wanted.message} />` : html`<${Paths} key=${`${wanted.left} ${wanted.right}`} ...${wanted} />`}
    </div>
  <//>`;
}

/** @template Answer @param {string} path @returns {[Answer | null, any, () => void]} */
function useAnswer(path) {
  const [got, setGot] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const ask = () => {
    setProblem(null);
    api.get(path).then((answer) => setGot({ path, answer }), (error) => setProblem({ path, error }));
  };
  useEffect(ask, [path]);
  return [got?.path === path ? got.answer : null, problem?.path === path ? problem.error : null, ask];
}

/** @param {{problem: any, again: () => void}} props */
const Waiting = ({ problem, again }) => (problem ? html`<${Trouble} error=${problem} retry=${again} />` : html`<p class="quiet">${t("web.loading")}</p>`);

// ── two paths ───────────────────────────────────────────────────────────────────────────────────────

/** @typedef {{common: number, left: Message[], right: Message[]}} Comparison */

/** From where they part. @param {{left: string, right: string}} props */
function Paths({ left, right }) {
  const ends = `left=${encodeURIComponent(left)}&right=${encodeURIComponent(right)}`;
  const [got, problem, again] = /** @type {[Comparison | null, any, () => void]} */ (useAnswer(`/chats/${chat.value?.id}/compare?${ends}`));
  if (!got) return html`<${Waiting} problem=${problem} again=${again} />`;
  const rows = Array.from({ length: Math.max(got.left.length, got.right.length) }, (_, row) => [got.left[row], got.right[row]]);
  const use = (/** @type {string} */ id) => async () => (close(), goTo(id));
  const sideOf = (/** @type {Message | undefined} */ message) => ({ title: message ? nameOf(message) : "", text: message?.text ?? "" });
  const elsewhere = [left, right].filter((_, side) => (side ? got.right : got.left).length && !(side ? got.right : got.left).some(({ id }) => id === chat.value?.head_id));
  return html`
    <p class="quiet">${t("web.compare.common", { count: got.common })}</p>
    ${rows.map(([one, other], row) => html`<${Pair} key=${row} left=${{ ...sideOf(one), use: row ? undefined : use(left) }} right=${{ ...sideOf(other), use: row ? undefined : use(right) }} />`)}
    ${rows.length === 0 && html`<p>${t("web.compare.same_path")}</p>`}
    ${elsewhere.length === 1 && html`<p><button type="button" class="button" disabled=${busy.value} onClick=${() => (close(), mergeBranch(elsewhere[0]))}>${t("web.compare.merge")}</button></p>`}
  `;
}

// ── texts of one message ────────────────────────────────────────────────────────────────────────────

/** Its alternatives, or where it has none its versions. @param {{message: Message}} props */
function Texts({ message }) {
  return message.swipe.count > 1 ? html`<${Alternatives} message=${message} />` : html`<${Versions} message=${message} />`;
}

/** @param {{message: Message}} props */
function Alternatives({ message }) {
  const { ids } = message.swipe;
  const own = ids.indexOf(message.id);
  const [[left, right], setPlaces] = useState(own > 0 ? [own - 1, own] : [own, own + 1]);
  const base = `/chats/${chat.value?.id}/messages`;
  const [one, problem, again] = /** @type {[Message | null, any, () => void]} */ (useAnswer(`${base}/${ids[left]}`));
  const [other, otherProblem, otherAgain] = /** @type {[Message | null, any, () => void]} */ (useAnswer(`${base}/${ids[right]}`));
  const turn = (/** @type {number} */ side, /** @type {number} */ by) => setPlaces(side ? [left, right + by] : [left + by, right]);
  const use = (/** @type {string} */ id) => (id === message.id ? undefined : async () => (close(), goTo(id)));
  const stepper = (/** @type {number} */ side, /** @type {number} */ place) => html`<${Stepper} side=${side} place=${place} count=${ids.length} turn=${turn} />`;
  if (!one || !other) return html`<${Waiting} problem=${problem ?? otherProblem} again=${() => (again(), otherAgain())} />`;
  return html`<${Pair}
    left=${{ title: stepper(0, left), text: one.text, use: use(one.id) }}
    right=${{ title: stepper(1, right), text: other.text, use: use(other.id) }}
  />`;
}

/** @param {{side: number, place: number, count: number, turn: (side: number, by: number) => void}} props */
function Stepper({ side, place, count, turn }) {
  return html`<span class="swipes" role="group" aria-label=${t(side ? "web.compare.right" : "web.compare.left")}>
    <${IconButton} icon="left" label=${t("web.message.previous")} disabled=${place === 0} onClick=${() => turn(side, -1)} />
    <span class="swipes-count" aria-label=${t("web.message.swipe_of", { place: place + 1, count })}>${place + 1}/${count}</span>
    <${IconButton} icon="right" label=${t("web.message.next")} disabled=${place === count - 1} onClick=${() => turn(side, 1)} />
  </span>`;
}

/** The one before against the one that is shown. @param {{message: Message}} props */
function Versions({ message }) {
  const wanted = comparing.value;
  const [got, problem, again] = /** @type {[{versions: Version[]} | null, any, () => void]} */ (useAnswer(`/chats/${chat.value?.id}/messages/${message.id}/versions`));
  const [chosen, choose] = useState("");
  if (!got) return html`<${Waiting} problem=${problem} again=${again} />`;
  const others = got.versions.filter((version) => version.id !== message.version_id).toReversed();
  const one = others.find((version) => version.id === chosen) ?? others[0];
  const words = (/** @type {Version} */ version) => `${t(`web.version.${version.reason}`)} · ${when(version.created_at)}`;
  const picker = html`<select class="field" aria-label=${t("web.compare.version")} value=${one?.id} onChange=${(/** @type {any} */ event) => choose(event.target.value)}>
    ${others.map((version) => html`<option key=${version.id} value=${version.id}>${words(version)}</option>`)}
  </select>`;
  const use = async () => (await editMessage(message.id, one.text)) && comparing.value === wanted && close();
  if (!one) return html`<p>${t("web.compare.alone")}</p>`;
  return html`<${Pair} left=${{ title: picker, text: one.text, use }} right=${{ title: t("web.version.shown"), text: message.text }} />`;
}

// ── two columns ─────────────────────────────────────────────────────────────────────────────────────

/** @param {{left: Side, right: Side}} props */
function Pair({ left, right }) {
  const pieces = differences(left.text, right.text);
  return html`<div class="compare-pair">
    ${[left, right].map(
      (side, index) => html`<section key=${index} aria-label=${t(index ? "web.compare.right" : "web.compare.left")}>
        <header class="row row-spread"><span class="compare-title">${side.title}</span>
          ${side.use && html`<${Press} class="button" disabled=${busy.value} onClick=${side.use}>${t("web.compare.use")}<//>`}
        </header>
        <p class="compare-text" lang=${scriptOf(side.text) || undefined}>${pieces[index].map(({ text, same }) => (same ? text : html`<mark class=${index ? "new" : "old"}>${text}</mark>`))}</p>
      </section>`,
    )}
  </div>`;
}
