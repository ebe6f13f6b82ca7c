// The same question at several scales, beside each other, and on into a chat. Knows one direction and its models.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import { attach, chances, chatWith, hasAdapter, reply, trait } from "../../state/directions.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Markdown } from "../Markdown.js";
import { Choice } from "../settings/Choice.js";
import { ModelChoice } from "./ModelChoice.js";
import { scaleWords } from "./words.js";

/** @import { Direction, Facts } from "../../types.d.ts" */
/** @typedef {import("../../state/directions.js").How} How */
/** @typedef {{scale: number, text: string, asked: string, state: "" | "waits" | "writes" | "done", note: string, error: string}} Column `asked` is what its text answers */

const MOST = 2;
const STEP = 0.1;
const COLUMNS = 3;
const USUAL = [-1, 0, 1];

/** @param {number} scale @returns {Column} */
const blank = (scale) => ({ scale, text: "", asked: "", state: "", note: "", error: "" });

/** @param {{direction: Direction}} props */
export function TryOut({ direction }) {
  const { name } = direction;
  const [rows, setRows] = useState(/** @type {Record<string, string>[] | null} */ (null));
  const [model, setModel] = useState(direction.model);
  const [how, setHow] = useState(/** @type {How} */ ("add"));
  const [takes, setTakes] = useState(false);
  const [prompt, setPrompt] = useState(() => t("web.directions.usual_prompt"));
  const [length, setLength] = useState(80);
  const [temperature, setTemperature] = useState(0);
  const [seed, setSeed] = useState(1);
  const [columns, setColumns] = useState(() => USUAL.map(blank));
  const [failure, setFailure] = useState("");
  const [writing, setWriting] = useState(false);
  const reader = useRef(new AbortController());
  useEffect(() => void chances(name).then(setRows, (error) => setFailure(error.message)), [name, language.value]);
  useEffect(() => {
    let current = true;
    hasAdapter(name, model).then((has) => current && setTakes(has), () => current && setTakes(false));
    return () => void (current = false);
  }, [name, model]);
  useEffect(() => () => reader.current.abort(), []);
  const way = takes ? how : "add";
  const put = (/** @type {number} */ number, /** @type {Partial<Column>} */ values) => setColumns((before) => before.map((column, index) => (index === number ? { ...column, ...values } : column)));
  const asking = { model, how: way, prompt: prompt.trim(), length, temperature, seed };
  const keyOf = (/** @type {Column} */ column) => JSON.stringify({ ...asking, scale: column.scale });
  const isStale = (/** @type {Column} */ column) => column.asked !== keyOf(column);

  const one = async (/** @type {number} */ number, /** @type {AbortSignal} */ signal) => {
    const column = columns[number];
    put(number, { text: "", note: "", error: "", state: "writes", asked: keyOf(column) });
    try {
      const sampling = { max_tokens: length, temperature, seed, ...trait(name, way, column.scale) };
      const facts = await reply({ model, prompt: asking.prompt, sampling }, (text) => put(number, { text }), signal);
      put(number, { state: "done", note: noteOf(facts, way) });
    } catch (error) {
      put(number, signal.aborted ? { state: "", asked: "" } : { state: "done", error: /** @type {Error} */ (error).message, asked: "" });
    }
  };
  const write = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const stale = columns.map((_, number) => number).filter((number) => isStale(columns[number]));
    const todo = stale.length ? stale : columns.map((_, number) => number);
    reader.current = new AbortController();
    const { signal } = reader.current;
    setWriting(true);
    setFailure("");
    todo.forEach((number) => put(number, { state: "waits", error: "" }));
    try {
      if (way === "take") await attach(name, model);
      for (const number of todo) if (!signal.aborted) await one(number, signal);
    } catch (error) {
      setFailure(/** @type {Error} */ (error).message);
    }
    setColumns((before) => before.map((column) => (column.state === "waits" ? { ...column, state: "" } : column)));
    setWriting(false);
  };
  const more = () => setColumns((before) => [...before, blank(before.length ? Math.min(MOST, before[before.length - 1].scale + 1) : 1)]);
  const less = (/** @type {number} */ number) => setColumns((before) => before.filter((_, index) => index !== number));
  const number = (/** @type {(value: number) => void} */ set) => (/** @type {any} */ event) => event.target.validity.valid && event.target.value !== "" && set(Number(event.target.value));
  return html`<section aria-labelledby="try-title"><h2 id="try-title">${t("web.directions.tabs.try")}</h2>
    <p class="quiet">${t(way === "take" ? "web.directions.take_about" : "web.directions.add_about")}</p>
    <form class="job-form" aria-label=${t("web.directions.tabs.try")} onSubmit=${write}>
      <${ModelChoice} rows=${rows} what="try" value=${model} change=${setModel} />
      ${takes && html`<${Choice} label=${t("web.directions.how")} value=${way} options=${["add", "take"].map((name) => [name, t(`web.directions.${name}`)])} change=${setHow} />`}
      <label class="block"><span class="label">${t("web.directions.asked_all")}</span>
        <textarea class="field" rows="2" required value=${prompt} onInput=${(/** @type {any} */ event) => setPrompt(event.target.value)}></textarea></label>
      <details class="fold"><summary>${t("web.directions.settings")}</summary><div class="form-fields direction-settings">
        <label class="block"><span class="label">${t("web.directions.length")}</span><input class="field" type="number" min="1" max="2000" step="1" value=${length} onInput=${number(setLength)} /></label>
        <label class="block"><span class="label">${t("web.directions.temperature")}</span><input class="field" type="number" min="0" max="2" step="any" value=${temperature} onInput=${number(setTemperature)} /></label>
        <label class="block"><span class="label">${t("web.directions.seed")}</span><input class="field" type="number" min="0" step="1" value=${seed} onInput=${number(setSeed)} /></label>
      </div><p class="quiet">${t("web.directions.settings_about")}</p></details>
      <div class="direction-columns">${columns.map((column, index) => html`<${One} key=${index} column=${column} index=${index} stale=${column.asked !== "" && isStale(column)} writing=${writing}
        scale=${(/** @type {number} */ scale) => put(index, { scale })} less=${columns.length > 1 ? () => less(index) : null} chat=${() => chatWith(name, model, way, column.scale)} />`)}</div>
      ${failure && html`<p class="bad" role="alert">${failure}</p>`}
      <div class="row">
        ${writing
          ? html`<button type="button" class="button" onClick=${() => reader.current.abort()}>${t("web.directions.stop")}</button>`
          : html`<button class="button button-main">${t("web.directions.write_replies")}</button>`}
        ${columns.length < COLUMNS && html`<button type="button" class="button" disabled=${writing} onClick=${more}>${t("web.directions.column")}</button>`}
      </div>
    </form>
  </section>`;
}

/** What the engine did with it otherwise than asked. @param {Facts | null} facts @param {How} how */
function noteOf(facts, how) {
  const field = how === "take" ? "adapters" : "control_vectors";
  if (facts?.ignored?.includes(field)) return facts.exact?.why || t("web.directions.unheard");
  return "";
}

/** @param {{column: Column, index: number, stale: boolean, writing: boolean, scale: (scale: number) => void, less: (() => void) | null, chat: () => void}} props */
function One({ column, index, stale, writing, scale, less, chat }) {
  const words = scaleWords(column.scale);
  const label = t("web.directions.scale_of", { number: index + 1 });
  return html`<section class="direction-column" aria-label=${t("web.directions.reply_at", { scale: words })} aria-busy=${column.state === "writes"}>
    <div class="row row-spread"><span class="label tabular">${words}</span>
      ${less && html`<button type="button" class="link-button" disabled=${writing} aria-label=${t("web.directions.column_less", { scale: words })} onClick=${less}>${t("web.directions.less")}</button>`}</div>
    <input class="direction-range" type="range" aria-label=${label} aria-valuetext=${words} min=${-MOST} max=${MOST} step=${STEP} value=${column.scale} disabled=${writing} onInput=${(/** @type {any} */ event) => scale(Number(event.target.value))} onDblClick=${() => scale(0)} />
    <div class=${stale ? "direction-text direction-stale" : "direction-text"} tabindex="0" role="group" aria-label=${t("web.why.text")}>
      ${column.error ? html`<p class="bad">${column.error}</p>` : column.text ? html`<${Markdown} text=${column.text} />` : html`<p class="quiet">${t(column.state === "writes" ? "web.directions.begins" : column.state === "waits" ? "web.directions.waits" : column.state === "done" ? "web.directions.empty" : "web.directions.nothing_yet")}</p>`}
    </div>
    ${stale && html`<small class="quiet">${t("web.directions.stale")}</small>`}
    ${column.note && html`<small class="notice">${column.note}</small>`}
    <button type="button" class="link-button" disabled=${writing} aria-label=${t("web.directions.chat_at", { scale: words })} onClick=${chat}>${t("web.directions.chat")}</button>
  </section>`;
}
