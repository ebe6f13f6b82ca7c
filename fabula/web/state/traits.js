// Traits of the open chat: adapters and control vectors of its model, how strong each is, and what a change costs.
// Knows no view.
// @ts-check
import { computed, effect, signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { changeChat, chat } from "./chat.js";
import { tell, tellError } from "./toasts.js";

/** @import { Trait, Traits } from "../types.d.ts" */
/** @typedef {Record<string, number>} Scales */

export const traits = signal(/** @type {Traits | null} */ (null));
/** Scales that are being dragged, by kind and name. */
export const moved = signal(/** @type {Scales} */ ({}));

const FIELD = /** @type {const} */ ({ adapter: "adapters", vector: "control_vectors" });

let asked = "";

/** Read them for the open chat: another model or another prompt has others. @param {string} id @param {string} state */
export async function loadTraits(id, state) {
  asked = state;
  try {
    const found = await api.get(`/chats/${id}/traits`);
    if (asked === state) traits.value = found;
  } catch (error) {
    if (asked === state) traits.value = null;
    if (!(error instanceof api.ApiError && error.status === 404)) tellError(error); // the model is gone: the header says it
  }
}

/** @param {Trait} trait */
export const keyOf = ({ kind, name }) => `${kind} ${name}`;

/** The rows of a field: an object, pairs, or vectors with their layers. @param {any} value @returns {[string, number, ...number[]][]} */
const rowsOf = (value) => (Array.isArray(value) ? value : Object.entries(value ?? {}));

/** The chat's own scale. @param {Trait} trait */
export function ownScale({ kind, name }) {
  const row = rowsOf(chat.value?.sampling[FIELD[kind]]).find(([other]) => other === name);
  return row?.[1];
}

/** @param {Trait} trait */
export const scaleOf = (trait) => moved.value[keyOf(trait)] ?? ownScale(trait) ?? trait.usual;

/** The sampling with another scale; the usual one is not said. @param {Record<string, any>} sampling @param {Trait} trait @param {number} scale */
function scaled(sampling, { kind, name, usual }, scale) {
  const field = FIELD[kind];
  const { [field]: before, ...others } = sampling;
  const rows = rowsOf(before);
  const known = rows.find(([other]) => other === name);
  const next = known ? rows.map((row) => (row === known ? [name, scale, ...row.slice(2)] : row)) : [...rows, [name, scale]];
  const said = next.filter(([other, value]) => !(other === name && value === usual));
  const isPlain = said.every((row) => row.length === 2);
  return said.length ? { ...others, [field]: isPlain ? Object.fromEntries(said) : said.map((row) => (row.length === 2 ? [...row, 0, 0] : row)) } : others;
}

/** The last change of each scale, while it is on its way. @type {Map<string, object>} */
const saving = new Map();

/** @param {Trait} trait @param {number} scale */
export function drag(trait, scale) {
  saving.delete(keyOf(trait));
  moved.value = { ...moved.value, [keyOf(trait)]: scale };
}

/** @param {Trait} trait @param {number} scale */
export async function setScale(trait, scale) {
  drag(trait, scale);
  const mine = {};
  saving.set(keyOf(trait), mine);
  await changeChat((now) => ({ sampling: scaled(now.sampling, trait, scale) }));
  if (saving.get(keyOf(trait)) !== mine) return; // another has been chosen meanwhile
  const { [keyOf(trait)]: _, ...others } = moved.value;
  moved.value = others;
}

/** What one turn is asked for without any trait. @param {Trait[]} all */
export const silenced = (all) =>
  /** @type {Record<string, any>} */ (
    Object.fromEntries(
      Object.entries(FIELD)
        .map(([kind, field]) => [field, Object.fromEntries(all.filter((trait) => trait.kind === kind).map(({ name }) => [name, 0]))])
        .filter(([, scales]) => Object.keys(scales).length),
    )
  );

/** Chats with the character begin as this one is. @param {boolean} forget */
export async function keepForCharacter(forget) {
  const id = chat.value?.id;
  try {
    const { character } = await api.post(`/chats/${id}/traits/character`, { forget });
    if (traits.value && chat.value?.id === id) traits.value = { ...traits.value, character };
    tell(t(forget ? "web.traits.forgotten" : "web.traits.kept", { name: character.name }));
  } catch (error) {
    tellError(error);
  }
}

const openId = computed(() => chat.value?.id); // not the chat itself, which changes under the hand that drags
effect(() => {
  openId.value; // another chat: nothing of this one is dragged any more
  if (Object.keys(moved.peek()).length) moved.value = {};
});
