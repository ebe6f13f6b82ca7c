// What holds in the open chat's story: who the person is, lorebooks, author's note, layout, group. Saved when a field is
// left. Knows the open chat.
// @ts-check
import { Fragment } from "preact";
import { useEffect } from "preact/hooks";
import { chat } from "../state/chat.js";
import { everyone, isStory, loadChoices, lorebooks, personas, setStory, story, templates } from "../state/story.js";
import { busy, speak } from "../state/turn.js";
import { t } from "../texts.js";
import { Packs } from "./chat/Packs.js";
import { html } from "./html.js";
import { Pick, Tick } from "./Kept.js";
import { useHeld } from "./useHeld.js";
import { useKept } from "./useKept.js";

/** @import { Group, Story } from "../types.d.ts" */

const LAYOUTS = /** @type {const} */ (["steady", "text", "messages"]);
const ORDERS = ["natural", "list", "manual", "pooled"];

export function StoryPanel() {
  const now = story.value;
  useEffect(() => void loadChoices(), []);
  if (!now || !isStory(chat.value)) return html`<${Packs} />`;
  return html`<details class="story-panel" open>
    <summary><h3>${t("web.story.title")}</h3></summary>
    <${Packs} />
    <${Fragment} key=${now.chat}>
      <${Persona} now=${now} />
      <${Books} now=${now} />
      <${NoteFields} now=${now} />
      <${Beginning} now=${now} />
      <${Layout} now=${now} />
      <${Cast} now=${now} />
    <//>
  </details>`;
}

/** @param {{now: Story}} props */
function Persona({ now }) {
  const list = personas.value ?? [];
  return html`<label class="block">
    <span class="label">${t("web.story.persona")}</span>
    <${Pick} value=${now.persona_id} save=${(/** @type {string} */ id) => setStory({ persona_id: id })}>
      <option value="">${t("web.story.persona_usual")}</option>
      ${list.map((one) => html`<option key=${one.id} value=${one.id}>${one.title ? `${one.name} (${one.title})` : one.name}</option>`)}
    <//>
  </label>`;
}

/** @param {{now: Story}} props */
function Books({ now }) {
  const list = lorebooks.value ?? [];
  const choose = (/** @type {string} */ id, /** @type {boolean} */ on) => setStory(({ lorebooks }) => ({ lorebooks: [...lorebooks.filter((other) => other !== id), ...(on ? [id] : [])] }));
  return html`<fieldset class="panel-choice">
    <legend class="label">${t("web.story.lorebooks")}</legend>
    ${list.map(
      (book) => html`<label class="check" key=${book.id}>
        <${Tick} value=${book.links.everywhere || now.lorebooks.includes(book.id)} disabled=${book.links.everywhere} save=${(/** @type {boolean} */ on) => choose(book.id, on)} />
        <span>${book.name}</span>${book.links.everywhere && html`<small class="quiet">${t("web.lore.everywhere")}</small>`}
      </label>`,
    )}
    <a class="quiet" href="#/lore">${t(list.length ? "web.story.lorebooks_edit" : "web.story.lorebooks_none")}</a>
  </fieldset>`;
}

/** @param {{now: Story}} props */
function NoteFields({ now }) {
  const { note } = now;
  const save = (/** @type {"text" | "depth" | "interval"} */ name) => (/** @type {any} */ event) => {
    if (!event.target.reportValidity()) return;
    const value = name === "text" ? event.target.value : Number(event.target.value);
    setStory({ note: /** @type {any} */ ({ [name]: value }) });
  };
  return html`<label class="block">
      <span class="label">${t("web.story.note")}</span>
      <${Area} rows="3" placeholder=${t("web.story.note_placeholder")} value=${note.text} save=${save("text")} />
    </label>
    <div class="story-numbers">
      <label>${t("web.story.note_depth")}<${Line} type="number" min="0" max="10000" required value=${note.depth} save=${save("depth")} /></label>
      <label>${t("web.story.note_every")}<${Line} type="number" min="0" max="10000" required value=${note.interval} save=${save("interval")} /></label>
    </div>
    <small class="quiet">${t("web.story.note_about")}</small>`;
}

/** What a reply has to begin with, and the scenario. @param {{now: Story}} props */
function Beginning({ now }) {
  const save = (/** @type {"starts_reply_with" | "scenario"} */ name) => (/** @type {any} */ event) => setStory({ [name]: event.target.value });
  return html`<label class="block"><span class="label">${t("web.story.starts_reply_with")}</span>
      <${Line} value=${now.starts_reply_with} placeholder=${t("web.story.starts_placeholder")} save=${save("starts_reply_with")} /></label>
    <label class="block"><span class="label">${t("web.story.scenario")}</span>
      <${Area} rows="2" value=${now.scenario} placeholder=${t("web.story.scenario_placeholder")} save=${save("scenario")} /></label>`;
}

/** A field that is saved when it is left. @param {{value: string | number, save: (event: Event) => unknown} & Record<string, any>} props */
function Line({ value, save, ...rest }) {
  const field = useHeld(value);
  return html`<input ref=${field} class="field" ...${rest} onChange=${save} />`;
}

/** @param {{value: string, save: (event: Event) => unknown} & Record<string, any>} props */
function Area({ value, save, ...rest }) {
  const field = useHeld(value);
  return html`<textarea ref=${field} class="field" ...${rest} onChange=${save}></textarea>`;
}

/** @param {{now: Story}} props */
function Layout({ now }) {
  const [chosen, choose] = useKept(now.layout, (layout) => setStory({ layout }));
  return html`<fieldset class="panel-choice">
      <legend class="label">${t("web.story.layout")}</legend>
      <div class="choice-options">
        ${LAYOUTS.map(
          (layout) => html`<label key=${layout}>
            <input type="radio" name="layout" checked=${chosen === layout} onChange=${() => choose(layout)} /><span>${t(`web.story.layout_${layout}`)}</span>
          </label>`,
        )}
      </div>
      <small class="quiet">${t(`web.story.layout_${now.layout}_about`)}</small>
    </fieldset>
    ${now.layout === "text" && html`<${Template} now=${now} form="instruct" extra=${[["none", t("web.story.names_only")]]} />`}
    ${now.layout === "text" && html`<${Template} now=${now} form="context" extra=${[]} />`}
    ${now.layout === "messages" && html`<${Template} now=${now} form="prompts" extra=${[]} />`}`;
}

/** @param {{now: Story, form: "instruct" | "context" | "prompts", extra: [string, string][]}} props */
function Template({ now, form, extra }) {
  const names = templates.value.filter((one) => one.form === form).map((one) => /** @type {[string, string]} */ ([one.name, one.name]));
  return html`<label class="block">
    <span class="label">${t(`web.story.${form}`)}</span>
    <${Pick} key=${form} value=${now[form]} save=${(/** @type {string} */ name) => setStory({ [form]: name })}>
      <option value="">${t(`web.story.${form}_usual`)}</option>
      ${[...extra, ...names].map(([value, name]) => html`<option key=${value} value=${value}>${name}</option>`)}
    <//>
  </label>`;
}

// ── a group ─────────────────────────────────────────────────────────────────────────────────────────

/** @param {{now: Story}} props */
function Cast({ now }) {
  const group = now.group ?? alone();
  const here = group.members.map((member) => member.character_id);
  const others = everyone.value.filter((one) => !here.includes(one.id));
  const add = (/** @type {any} */ event) => {
    const id = event.target.value;
    if (id) setGroup(({ members }) => ({ members: [...without(members, id), { character_id: id, muted: false }] }));
    event.target.value = "";
  };
  return html`<fieldset class="panel-choice">
    <legend class="label">${t("web.story.group")}</legend>
    ${now.group && html`<${Members} group=${group} />`}
    <select class="field" aria-label=${t("web.story.group_add")} onChange=${add}>
      <option value="">${t("web.story.group_add")}</option>
      ${others.map((one) => html`<option key=${one.id} value=${one.id}>${one.name}</option>`)}
    </select>
  </fieldset>`;
}

/** Other values of the group as it then is. @param {(group: Group) => Partial<Group>} values */
function setGroup(values) {
  const before = alone();
  return setStory(({ group }) => ({ group: { ...(group ?? before), ...values(group ?? before) } }));
}

/** @param {Group["members"]} members @param {string} id */
const without = (members, id) => members.filter((one) => one.character_id !== id);

/** The chat as it is before somebody joins. @returns {Group} */
const alone = () => ({ members: [{ character_id: chat.value?.character_id ?? "", muted: false }], order: 0, join: 0, auto_s: 0 });

/** @param {{group: Group}} props */
function Members({ group }) {
  const nameOf = (/** @type {string} */ id) => everyone.value.find((one) => one.id === id)?.name ?? "…";
  const mute = (/** @type {string} */ id, /** @type {boolean} */ muted) =>
    setGroup(({ members }) => ({ members: members.map((one) => (one.character_id === id ? { ...one, muted } : one)) }));
  const leave = (/** @type {string} */ id) => setGroup(({ members }) => ({ members: without(members, id) }));
  return html`<ul class="story-cast">
      ${group.members.map(
        ({ character_id: id, muted }) => html`<li key=${id}>
          <span>${nameOf(id)}</span>
          <label class="check"><${Tick} value=${muted} save=${(/** @type {boolean} */ on) => mute(id, on)} /><span>${t("web.story.muted")}</span></label>
          <button type="button" class="link-button" disabled=${busy.value} onClick=${() => speak(id)}>${t("web.story.speak")}</button>
          <button type="button" class="link-button" disabled=${group.members.length < 2} onClick=${() => leave(id)}>${t("web.story.leave")}</button>
        </li>`,
      )}
    </ul>
    <label class="block"><span class="label">${t("web.story.order")}</span>
      <${Pick} value=${String(group.order)} save=${(/** @type {string} */ order) => setGroup(() => ({ order: Number(order) }))}>
        ${ORDERS.map((name, order) => html`<option key=${name} value=${String(order)}>${t(`web.story.order_${name}`)}</option>`)}
      <//></label>
    <label class="block"><span class="label">${t("web.story.auto")}</span>
      <${Line} type="number" min="0" max="3600" required value=${group.auto_s} save=${(/** @type {any} */ event) => event.target.reportValidity() && setGroup(() => ({ auto_s: Number(event.target.value) }))} />
      <small class="quiet">${t("web.story.auto_about")}</small></label>`;
}
