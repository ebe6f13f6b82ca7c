// All controls of the sampling: seven for every day, the rest folded by family. Knows the open chat's values.
// @ts-check
import { useEffect } from "preact/hooks";
import { chat } from "../../state/chat.js";
import { fromPreset, isOn, knobs, loadKnobs } from "../../state/sampling.js";
import { language, t } from "../../texts.js";
import { BannedTexts } from "../BannedTexts.js";
import { html } from "../html.js";
import { PresetPicker } from "../PresetPicker.js";
import { Distribution } from "./Distribution.js";
import { KnobRow } from "./KnobRow.js";

/** @import { Knob } from "../../types.d.ts" */

/** These have a place of their own in the panel. */
const ELSEWHERE = ["think", "banned_strings", "banned_regexes"];

export function SamplingPanel() {
  const now = chat.value;
  useEffect(() => void loadKnobs(now?.model ?? ""), [now?.model, language.value]);
  const all = (knobs.value?.knobs ?? []).filter((knob) => !ELSEWHERE.includes(knob.name));
  if (!now) return null;
  return html`<section class="sampling" aria-labelledby="sampling-title">
    <h3 id="sampling-title">${t("web.panel.sampling")}</h3>
    <${PresetPicker} sampling=${now.sampling} />
    <${Distribution} id=${now.id} />
    ${all.filter((knob) => knob.everyday).map((knob) => html`<${KnobRow} key=${now.id + knob.name} knob=${knob} />`)}
    <${BannedTexts} chat=${now.id} own=${now.sampling} preset=${fromPreset.value} />
    ${(knobs.value?.families ?? []).map(({ name, title }) => html`<${Family} key=${name} title=${title} knobs=${all.filter((knob) => knob.family === name && !knob.everyday)} />`)}
  </section>`;
}

/** @param {{title: string, knobs: Knob[]}} props */
function Family({ title, knobs }) {
  if (!knobs.length) return null;
  const count = knobs.filter(isOn).length;
  return html`<details class="knob-family">
    <summary>${title}${count > 0 && html` <span class="knob-count">${t("web.sampling.set", { count })}</span>`}</summary>
    ${knobs.map((knob) => html`<${KnobRow} key=${chat.value?.id + knob.name} knob=${knob} />`)}
  </details>`;
}
