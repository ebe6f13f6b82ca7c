// One entry of a lorebook as a form: every field of SillyTavern's files, grouped; saved in a pause and when a field is left. What is not
// known here is shown as it is, and stays.
// @ts-check
import { useEffect, useRef } from "preact/hooks";
import { copy, cut, renewed, save } from "../../state/lorebook.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon } from "../Icon.js";
import { Pick, Tick } from "../Kept.js";

/** @import { Entry } from "../../types.d.ts" */
/** @typedef {{name: string, kind: "text" | "keys" | "long" | "number" | "flag" | "maybe" | "choice" | "list", choices?: (string | number)[], least?: number, most?: number, empty?: boolean}} Field */

const PAUSE_MS = 1200; // in typing: a book is written as a whole
const POSITIONS = [0, 1, 2, 3, 4, 5, 6, 7];
const TURNS = ["normal", "continue", "impersonate", "swipe", "regenerate", "quiet"];
const SOURCES = ["matchPersonaDescription", "matchCharacterDescription", "matchCharacterPersonality", "matchCharacterDepthPrompt", "matchScenario", "matchCreatorNotes"];

/** The groups in their order; the first is always open. @type {[string, Field[]][]} */
const GROUPS = [
  ["keys", [{ name: "keysecondary", kind: "keys" }, { name: "selectiveLogic", kind: "choice", choices: [0, 3, 1, 2] }, { name: "scanDepth", kind: "number", least: 0, empty: true }, { name: "caseSensitive", kind: "maybe" }, { name: "matchWholeWords", kind: "maybe" }, { name: "use_regex", kind: "flag" }]],
  ["place", [{ name: "position", kind: "choice", choices: POSITIONS }, { name: "order", kind: "number" }, { name: "depth", kind: "number", least: 0 }, { name: "role", kind: "choice", choices: [0, 1, 2] }, { name: "outletName", kind: "text" }]],
  ["chance", [{ name: "useProbability", kind: "flag" }, { name: "probability", kind: "number", least: 0, most: 100 }, { name: "sticky", kind: "number", least: 0, empty: true }, { name: "cooldown", kind: "number", least: 0, empty: true }, { name: "delay", kind: "number", least: 0, empty: true }]],
  ["recursion", [{ name: "excludeRecursion", kind: "flag" }, { name: "preventRecursion", kind: "flag" }, { name: "delayUntilRecursion", kind: "number", least: 0 }, { name: "ignoreBudget", kind: "flag" }]],
  ["group", [{ name: "group", kind: "text" }, { name: "groupWeight", kind: "number", least: 0 }, { name: "groupOverride", kind: "flag" }, { name: "useGroupScoring", kind: "maybe" }]],
  ["only", [{ name: "characterFilter.names", kind: "list" }, { name: "characterFilter.tags", kind: "list" }, { name: "characterFilter.isExclude", kind: "flag" }, { name: "triggers", kind: "list", choices: TURNS }, ...SOURCES.map((name) => /** @type {Field} */ ({ name, kind: "flag" }))]],
  ["other", [{ name: "vectorized", kind: "flag" }, { name: "automationId", kind: "text" }]],
];
/** Where a file says nothing. @type {Record<string, any>} */
const USUAL = { useProbability: true, probability: 100, order: 100, depth: 4, groupWeight: 100 };
const KNOWN = new Set(["uid", "key", "comment", "content", "constant", "disable", "selective", "addMemo", "displayIndex", "characterFilter", ...GROUPS.flatMap(([, fields]) => fields.map(({ name }) => name))]);

/** Commas part keys, but not inside an expression. @param {string} text */
export const keysOf = (text) => (text.match(/\s*(\/(?:[^/\\]|\\.)+\/[a-z]*|[^,，]+)\s*(?:[,，]|$)/g) ?? []).map((key) => key.replace(/[,，]\s*$/, "").trim()).filter(Boolean);

/** @param {{entry: Entry}} props */
export function EntryForm({ entry }) {
  const uid = String(entry.uid);
  const put = (/** @type {Parameters<typeof save>[1]} */ fields) => save(uid, fields);
  const timer = useRef(0);
  const typed = useRef(/** @type {Record<string, any>} */ ({})); // and not handed over yet
  const hand = () => {
    clearTimeout(timer.current);
    const fields = typed.current;
    typed.current = {};
    if (Object.keys(fields).length) put(fields);
  };
  useEffect(() => hand, []); // another entry, or the page is left
  const soon = (/** @type {Record<string, any>} */ fields) => {
    clearTimeout(timer.current);
    typed.current = { ...typed.current, ...fields };
    timer.current = setTimeout(hand, PAUSE_MS);
  };
  const text = (/** @type {"comment" | "content"} */ name) => ({
    onInput: (/** @type {any} */ event) => soon({ [name]: event.target.value }),
    onChange: hand,
  });
  return html`<form class="entry-form" key=${`${uid}-${renewed.value}`} onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <label class="block"><span class="label">${t("web.lore.comment")}</span><input class="field" defaultValue=${entry.comment ?? ""} ...${text("comment")} /></label>
    <label class="block"><span class="label">${t("web.lore.keys")}</span><input class="field" defaultValue=${(entry.key ?? []).join(", ")} onChange=${(/** @type {any} */ event) => put({ key: keysOf(event.target.value) })} /><small class="quiet">${t("web.lore.keys_about")}</small></label>
    <label class="block"><span class="label">${t("web.lore.content")}</span><textarea class="field card-text" rows="4" defaultValue=${entry.content ?? ""} ...${text("content")}></textarea><small class="quiet">${t("web.lore.decorators_about")}</small></label>
    <div class="row">
      <label class="check"><${Tick} value=${entry.constant} save=${(/** @type {boolean} */ constant) => put({ constant })} /><span>${t("web.lore.constant")}</span></label>
      <label class="check"><${Tick} value=${!entry.disable} save=${(/** @type {boolean} */ on) => put({ disable: !on })} /><span>${t("web.lore.on")}</span></label>
      <button type="button" class="button button-quiet" onClick=${() => copy(entry)}><${Icon} name="copy" />${t("web.lore.copy")}</button>
      <button type="button" class="button button-quiet" onClick=${() => cut([uid])}><${Icon} name="trash" />${t("web.lore.cut")}</button>
    </div>
    ${GROUPS.map(([group, fields]) => html`<${Group} key=${group} group=${group} fields=${fields} entry=${entry} put=${put} />`)}
    <${Rest} entry=${entry} />
  </form>`;
}

/** @param {{group: string, fields: Field[], entry: Entry, put: (fields: Parameters<typeof save>[1]) => unknown}} props */
function Group({ group, fields, entry, put }) {
  const open = group === "place" || fields.some((field) => isSaid(field, valueOf(entry, field.name)));
  return html`<details class="entry-group" open=${open}>
    <summary>${t(`web.lore.groups.${group}`)}</summary>
    <div class="entry-fields">${fields.map((field) => html`<${One} key=${field.name} field=${field} entry=${entry} put=${put} />`)}</div>
  </details>`;
}

/** Whether a field says something that is not as usual. @param {Field} field @param {any} value */
function isSaid({ name, kind }, value) {
  if (name in USUAL) return value !== undefined && value !== USUAL[name];
  return kind === "keys" || kind === "list" ? value?.length > 0 : Boolean(value);
}

/** @param {any} entry @param {string} name "characterFilter.names" lies inside "characterFilter" */
const valueOf = (entry, name) => name.split(".").reduce((value, part) => value?.[part], entry);

/** @param {any} entry @param {string} name @param {any} value */
function fieldsFor(entry, name, value) {
  const [outer, inner] = name.split(".");
  return inner ? { [outer]: { isExclude: false, names: [], tags: [], ...entry[outer], [inner]: value } } : { [outer]: value };
}

/** @param {{field: Field, entry: Entry, put: (fields: Parameters<typeof save>[1]) => unknown}} props */
function One({ field, entry, put }) {
  const { name, kind, choices = [], least, most, empty } = field;
  const value = valueOf(entry, name) ?? USUAL[name];
  const key = name.replace(".", "_");
  const label = t(`web.lore.fields.${key}`);
  const set = (/** @type {any} */ next) => put((now) => fieldsFor(now, name, next));
  if (kind === "flag") return html`<label class="check"><${Tick} value=${Boolean(value)} save=${set} /><span>${label}</span></label>`;
  if (kind === "maybe") {
    const now = value === true ? "yes" : value === false ? "no" : "usual";
    return html`<label class="entry-field"><span>${label}</span><${Pick} value=${now} save=${(/** @type {string} */ one) => set(one === "usual" ? null : one === "yes")}>${["usual", "yes", "no"].map((one) => html`<option key=${one} value=${one}>${t(`web.lore.maybe_${one}`)}</option>`)}<//></label>`;
  }
  if (kind === "choice") return html`<label class="entry-field"><span>${label}</span><${Pick} value=${String(value ?? choices[0])} save=${(/** @type {string} */ one) => set(Number(one))}>${choices.map((one) => html`<option key=${one} value=${String(one)}>${t(`web.lore.choices.${key}_${one}`)}</option>`)}<//></label>`;
  if (kind === "number") {
    const change = (/** @type {any} */ event) => event.target.reportValidity() && set(event.target.value === "" ? null : Number(event.target.value));
    return html`<label class="entry-field"><span>${label}</span><input class="field" type="number" min=${least} max=${most} required=${!empty} defaultValue=${value === true ? 1 : (value ?? (empty ? "" : 0))} onChange=${change} /></label>`;
  }
  if (kind === "keys" || kind === "list") {
    const list = Array.isArray(value) ? value : [];
    const ids = choices.length ? `entry-${key}` : undefined;
    return html`<label class="entry-field entry-wide"><span>${label}</span><input class="field" list=${ids} defaultValue=${list.join(", ")} onChange=${(/** @type {any} */ event) => set(keysOf(event.target.value))} />
      ${ids && html`<small class="quiet">${choices.join(", ")}</small>`}</label>`;
  }
  return html`<label class="entry-field"><span>${label}</span><input class="field" defaultValue=${value ?? ""} onChange=${(/** @type {any} */ event) => set(event.target.value)} /></label>`;
}

/** @param {{entry: Entry}} props */
function Rest({ entry }) {
  const rest = Object.fromEntries(Object.entries(entry).filter(([name]) => !KNOWN.has(name)));
  if (!Object.keys(rest).length) return null;
  return html`<details class="entry-group"><summary>${t("web.card.rest")}</summary><p class="quiet">${t("web.card.rest_about")}</p><pre tabindex="0">${JSON.stringify(rest, null, 1)}</pre></details>`;
}
