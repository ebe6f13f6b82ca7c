// A text field as tall as its text, up to what its style allows. Knows nothing else.
// @ts-check

/** @param {HTMLTextAreaElement | null} area */
export function fitHeight(area) {
  if (!area) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`;
}
