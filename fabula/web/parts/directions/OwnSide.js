// One side of one's own: pasted or a file of this device, counted and checked while it is put in. Knows no form.
// @ts-check
import { useEffect, useId, useState } from "preact/hooks";
import { countPrompts } from "../../state/directions.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";

/** @import { CountedPrompts } from "../../types.d.ts" */
/** @typedef {{text: string, ending: string, file: string}} Side `file` is where it was read from */

const PAUSE_MS = 500; // after the last key
const ENDINGS = ["txt", "md", "jsonl", "json", "csv", "tsv"];
const LONG = 200_000; // characters: more is not shown, and not typed in

/** @param {{label: string, side: Side, column: string, change: (side: Side) => void}} props */
export function OwnSide({ label, side, column, change }) {
  const id = useId();
  const [told, setTold] = useState(/** @type {CountedPrompts | null} */ (null));
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    setTold(null);
    setWrong("");
    if (!side.text.trim()) return;
    const reader = new AbortController();
    const unless = (/** @type {() => void} */ act) => !reader.signal.aborted && act();
    const ask = () => countPrompts({ text: side.text, ending: side.ending, column, title: label, keep: false }, reader.signal).then(
      (found) => unless(() => setTold(found)),
      (error) => unless(() => setWrong(error.message)),
    );
    const timer = setTimeout(ask, PAUSE_MS);
    return () => (clearTimeout(timer), reader.abort());
  }, [side.text, side.ending, column, language.value]);
  const load = async (/** @type {any} */ event) => {
    const file = event.target.files[0];
    const ending = file?.name.split(".").at(-1)?.toLowerCase() ?? "";
    if (file) change({ text: await file.text(), ending: ENDINGS.includes(ending) ? ending : "txt", file: file.name });
  };
  const isLong = side.text.length > LONG;
  return html`<div class="block">
    <label class="label" for=${id}>${label}</label>
    <textarea id=${id} class="field" rows="5" spellcheck=${false} required readonly=${isLong} aria-describedby=${`${id}-told`} aria-invalid=${wrong ? "true" : undefined} placeholder=${t("web.forms.one_per_line")} value=${isLong ? `${side.text.slice(0, LONG)}…` : side.text} onInput=${(/** @type {any} */ event) => change({ text: event.target.value, ending: side.file ? side.ending : "txt", file: side.file })}></textarea>
    <div class="row row-spread direction-count">
      <small id=${`${id}-told`} class=${wrong ? "bad" : "quiet"} role="status">${wrong || (told && counted(told)) || t("web.directions.least")}</small>
      <label class="link-button direction-file"><input type="file" class="sr-only" accept=${ENDINGS.map((name) => `.${name}`).join(",")} onChange=${load} />${side.file || t("web.directions.file")}</label>
    </div>
  </div>`;
}

/** @param {CountedPrompts} told */
function counted({ prompts, different, learned, held_out }) {
  const double = prompts - different;
  const words = t("web.directions.counted_side", { prompts: different, learned, held_out });
  return double ? `${words} ${t("web.directions.double", { count: double })}` : words;
}
