// A field that shows what is kept, but never takes away what is being typed into it. Knows no field's meaning.
// @ts-check
import { useLayoutEffect, useRef } from "preact/hooks";

/** For a field without a `value`: what somebody types stays until the field is left. @param {string | number} value */
export function useHeld(value) {
  const field = useRef(/** @type {any} */ (null));
  const put = useRef(""); // what the field was given: anything else was typed
  useLayoutEffect(() => {
    const [now, kept] = [field.current, String(value)];
    if (!now) return;
    const typing = document.activeElement === now && now.value !== put.current;
    if (typing && now.value !== kept) return;
    put.current = kept;
    if (now.value !== kept) now.value = kept;
  }, [value]);
  return field;
}
