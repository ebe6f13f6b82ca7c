// What the settings do to the next word of this chat: its likeliest tokens before the samplers and after, live while a
// control is dragged. Knows the open chat and no sampler: the studio runs them.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { chat } from "../../state/chat.js";
import { pictureOpen } from "../../state/prefs.js";
import { tried } from "../../state/sampling.js";
import { busy } from "../../state/turn.js";
import { FORMATS, t } from "../../texts.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { nameOf } from "./Steps.js";

/** @import { Foreseen } from "../../types.d.ts" */

const SETTLES_MS = 80; // between two moves of a slider
const SHOWN = 10;
const ENOUGH = 0.98; // of the probability: below it, what the picture leaves out matters

/** @param {{id: string}} props */
export function Distribution({ id }) {
  const open = pictureOpen.value === "yes";
  const toggle = (/** @type {any} */ event) => (pictureOpen.value = event.target.open ? "yes" : "no");
  return html`<details class="picture" open=${open} onToggle=${toggle}>
    <summary>${t("web.picture.title")}</summary>
    ${open && html`<${Picture} key=${id} id=${id} />`}
  </details>`;
}

/** @param {{id: string}} props */
function Picture({ id }) {
  const [found, setFound] = useState(/** @type {Foreseen | null} */ (null));
  const [problem, setProblem] = useState(/** @type {Error | null} */ (null));
  const [at, setAt] = useState("start");
  const asked = useRef({ state: "", number: 0 });
  const sampling = JSON.stringify(tried.value);
  const now = chat.value;
  const state = [now?.head_id, now?.model, now?.system, at].join(" ");
  const ask = async () => {
    const number = ++asked.current.number;
    const fresh = asked.current.state !== state;
    try {
      const got = await api.post(`/chats/${id}/distribution`, { sampling: JSON.parse(sampling), at, fresh });
      if (number !== asked.current.number) return;
      asked.current.state = state;
      setFound(got);
      setProblem(null);
    } catch (error) {
      if (number === asked.current.number) setProblem(/** @type {Error} */ (error));
    }
  };
  useEffect(() => {
    if (busy.value) return undefined; // the engine is writing: asked again when it has ended
    const timer = setTimeout(ask, found ? SETTLES_MS : 0);
    return () => clearTimeout(timer);
  }, [sampling, state, busy.value]);
  if (problem) return html`<${Trouble} error=${problem} retry=${ask} />`;
  if (!found) return html`<p class="quiet" role="status">${t("web.picture.asking")}</p>`;
  return html`<div class="picture-body">
    <p>${t("web.picture.words", { before: many(found.choices.before), after: many(found.choices.after), left: found.left })}</p>
    <${Bars} found=${found} />
    ${found.steps.length > 0 && html`<${Steps} steps=${found.steps} />`}
    <fieldset class="picture-at"><legend class="sr-only">${t("web.picture.at")}</legend>
      ${["start", "end"].map((place) => html`<label key=${place}><input type="radio" name="picture-at" checked=${at === place} onChange=${() => setAt(place)} /><span>${t(`web.picture.at_${place}`)}</span></label>`)}
    </fieldset>
    ${found.told < ENOUGH && html`<small class="quiet">${t("web.picture.part", { share: found.told })}</small>`}
  </div>`;
}

/** 3.4 of a few, 212 of many. @param {number} choices */
const many = (choices) => (choices < 10 ? choices.toFixed(1) : FORMATS.number(Math.round(choices)));

/** @param {{found: Foreseen}} props */
function Bars({ found }) {
  const shown = [...found.tokens].sort((one, other) => Math.max(other.after, other.before) - Math.max(one.after, one.before)).slice(0, SHOWN);
  const rest = (/** @type {"before" | "after"} */ side) => found.rest[side] + found.tokens.filter((token) => !shown.includes(token)).reduce((sum, token) => sum + token[side], 0);
  const rows = [...shown.map((token) => ({ ...token, key: String(token.id), words: visible(token.text) })), { key: "rest", words: "", before: rest("before"), after: rest("after") }];
  const most = Math.max(...rows.map((row) => Math.max(row.before, row.after)), 0.01);
  return html`<table class="bars">
    <caption class="sr-only">${t("web.picture.title")}</caption>
    <thead><tr><th scope="col">${t("web.picture.token")}</th><td class="bars-plot"></td><th scope="col" class="number"><span class="bars-key bars-before"></span>${t("web.picture.before")}</th><th scope="col" class="number"><span class="bars-key bars-after"></span>${t("web.picture.after")}</th></tr></thead>
    <tbody>
      ${rows.map(
        (row) => html`<tr key=${row.key} class=${row.after > 0 ? "" : "bars-gone"}>
          <th scope="row">${row.key === "rest" ? html`<span class="quiet">${t("web.picture.rest")}</span>` : html`<code>${row.words}</code>`}</th>
          <td class="bars-plot" aria-hidden="true"><span class="bars-before" style=${{ width: `${(row.before / most) * 100}%` }}></span><span class="bars-after" style=${{ width: `${(row.after / most) * 100}%` }}></span></td>
          <td class="number">${percent(row.before)}</td><td class="number">${percent(row.after)}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

/** @param {{steps: Foreseen["steps"]}} props */
function Steps({ steps }) {
  return html`<details class="picture-steps"><summary>${t("web.picture.steps", { count: steps.length })}</summary>
    <ol>${steps.map((step) => html`<li key=${step.name}><span>${nameOf(step.name)}</span> <span class="quiet">${t("web.picture.step", { left: step.left, choices: many(step.choices) })}</span></li>`)}</ol>
  </details>`;
}

/** Spaces and line breaks can be seen. @param {string} text */
const visible = (text) => text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "∅";

/** @param {number} share */
function percent(share) {
  if (share === 0) return "–";
  const hundred = share * 100;
  return hundred < 0.1 ? "< 0.1 %" : `${hundred < 10 ? hundred.toFixed(1) : Math.round(hundred)} %`;
}
