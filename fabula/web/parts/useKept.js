// What the studio keeps, and what somebody has made of it since: an answer that comes late takes nothing of that away.
// Knows no field.
// @ts-check
import { useState } from "preact/hooks";

/**
 * What is kept, until somebody makes something else of it; then theirs, until they are `done` with it: it was saved,
 * or thrown away. What is typed while it is being saved stays, where `done` is told what was saved.
 * @template Value @param {Value} kept
 */
export function useEdited(kept) {
  const [own, setOwn] = useState(/** @type {{value: Value} | null} */ (null));
  const edit = (/** @type {Value} */ value) => setOwn({ value });
  const done = (/** @type {Value} */ ...saved) => setOwn((now) => (now && saved.length && now.value !== saved[0] ? now : null));
  return { now: own ? own.value : kept, isEdited: own !== null, edit, done };
}

/**
 * A choice that is saved at once: shown from then on, and what is kept again when that is over, however it ended.
 * @template Value @param {Value} kept @param {(value: Value) => unknown} save
 * @returns {[Value, (value: Value) => Promise<void>]}
 */
export function useKept(kept, save) {
  const [own, setOwn] = useState(/** @type {{value: Value} | null} */ (null));
  const choose = async (/** @type {Value} */ value) => {
    const mine = { value };
    setOwn(mine);
    try {
      await save(value);
    } finally {
      setOwn((now) => (now === mine ? null : now));
    }
  };
  return [own ? own.value : kept, choose];
}
