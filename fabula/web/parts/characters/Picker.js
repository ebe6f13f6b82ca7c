// Somebody of the library, found by the beginning of a name: of 20,000 a list holds too many. Knows no use of it.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { t } from "../../texts.js";
import { html } from "../html.js";

/** @import { Character } from "../../types.d.ts" */

const SHOWN = 20;
const PAUSE_MS = 150;
let counter = 0;

/** @param {{label: string, but: string[], pick: (one: Character) => void}} props */
export function Picker({ label, but, pick }) {
  const [found, setFound] = useState(/** @type {Character[]} */ ([]));
  const [list] = useState(() => `picked-${(counter += 1)}`);
  const asked = useRef(0);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const search = (/** @type {string} */ words) => {
    clearTimeout(timer.current);
    const question = (asked.current += 1);
    timer.current = setTimeout(async () => {
      const got = await api.get(`/characters?${new URLSearchParams({ words, limit: String(SHOWN) })}`).catch(() => ({ characters: [] }));
      if (question === asked.current) setFound(got.characters);
    }, PAUSE_MS);
  };
  const input = (/** @type {any} */ event) => {
    const one = found.find(({ name, id }) => name === event.target.value && !but.includes(id));
    if (!one) return search(event.target.value);
    event.target.value = "";
    return pick(one);
  };
  return html`<input class="field picker" list=${list} aria-label=${label} placeholder=${label} onFocus=${(/** @type {any} */ event) => search(event.target.value)} onInput=${input} />
    <datalist id=${list}>${found.filter(({ id }) => !but.includes(id)).map(({ id, name }) => html`<option key=${id} value=${name}></option>`)}</datalist>`;
}

/** @type {Map<string, Promise<string>>} */
const names = new Map();

/** The name of a character, once it is here. @param {{id: string}} props */
export function NameOf({ id }) {
  const [name, setName] = useState("…");
  useEffect(() => {
    if (!names.has(id)) names.set(id, api.get(`/characters/${encodeURIComponent(id)}`).then((one) => one.name, () => t("web.characters.gone")));
    names.get(id)?.then(setName);
  }, [id]);
  return html`${name}`;
}

/** Somebody who is linked; a click ends that. @param {{id: string, end: () => void}} props */
export function Linked({ id, end }) {
  return html`<button type="button" class="chip" onClick=${end}><${NameOf} id=${id} /><span aria-hidden="true">×</span><span class="sr-only">${t("web.characters.unlink")}</span></button>`;
}
