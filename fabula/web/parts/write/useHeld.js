// A field that shows what is kept, but never takes away what is being typed into it. Knows no field's meaning.
// @ts-check
import { useLayoutEffect, useRef } from "preact/hooks";

/** For a field without a `value`: what somebody types stays until the field is left. @param {string | number} value */
export function useHeld(value) {
  const field = useRef(/** @type {any} */ (null));
  useLayoutEffect(() => {
    if (field.current && document.activeElement !== field.current) field.current.value = String(value);
  }, [value]);
  return field;
}
