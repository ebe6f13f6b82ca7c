// What the fields of the open card cost, and their texts with macros resolved: asked anew a moment after a change.
// Knows no view.
// @ts-check
import { effect, signal } from "@preact/signals";
import * as api from "../../api.js";
import { character, dataNow } from "../../state/card.js";
import { personaName } from "../../state/prefs.js";

/** @import { Weighed } from "../../types.d.ts" */

const PAUSE_MS = 500;
const AGAIN_MS = 3000; // where nothing is shown yet

export const weighed = signal(/** @type {Weighed | null} */ (null));

/** Keeps `weighed` fresh; the answer ends that. */
export function weigh() {
  let timer = 0;
  let asked = 0;
  const end = effect(() => {
    const data = dataNow(); // reads what it depends on
    const user = personaName.value;
    clearTimeout(timer);
    if (!character.value) return void (weighed.value = null);
    timer = setTimeout(() => ask(data, user), weighed.peek() ? PAUSE_MS : 0);
  });
  const ask = async (/** @type {Record<string, any>} */ data, /** @type {string} */ user) => {
    const question = (asked += 1);
    const card = { ...character.peek()?.card, data };
    const got = await api.post("/characters/tokens", { card, user }).catch(() => null); // what is shown stays
    if (question !== asked || !character.peek()) return;
    if (got) weighed.value = got;
    else if (!weighed.peek()) timer = setTimeout(() => ask(data, user), AGAIN_MS);
  };
  return () => (end(), clearTimeout(timer), (asked += 1), (weighed.value = null));
}

/** @param {string} field */
export const partOf = (field) => weighed.value?.parts.find((part) => part.field === field);
