// A model's page: how it would be loaded, what it is, what was measured of it, and all that can be done with it. Knows
// one model's name.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { newChat } from "../../state/chats.js";
import { removeModel } from "../../state/removing.js";
import { models, running, unload } from "../../state/system.js";
import { language, t } from "../../texts.js";
import { Elsewhere } from "../Elsewhere.js";
import { html } from "../html.js";
import { Icon } from "../Icon.js";
import { Trouble } from "../Trouble.js";
import { modelNote } from "../words.js";
import { AdaptersOf } from "./AdaptersOf.js";
import { Facts } from "./Facts.js";
import { KindFold } from "./KindFold.js";
import { LoadOptions } from "./LoadOptions.js";
import { Measured } from "./Measured.js";
import { PlanView } from "./PlanView.js";
import { Template } from "./Template.js";
import { MemoryBar } from "../MemoryBar.js";

/** @import { DescribedModel } from "../../types.d.ts" */

const GONE = "model_not_found";

/** The studio also knows a model by a part of its name: the page stands under the whole one. @param {string} name */
const toItsOwn = (name) => location.replace(`#/models/${encodeURIComponent(name)}`);

/** @param {{name: string}} props */
export function ModelPage({ name }) {
  const [model, setModel] = useState(/** @type {DescribedModel | null} */ (null));
  const [failure, setFailure] = useState(/** @type {Error | null} */ (null));
  const [round, setRound] = useState(0);
  const again = () => setRound((before) => before + 1);
  const loaded = running.value.find((item) => item.model === name);
  useEffect(() => {
    let current = true;
    api.get(`/models/${encodeURIComponent(name)}`).then(
      (told) => current && (told.name === name ? (setModel(told), setFailure(null)) : toItsOwn(told.name)),
      (error) => current && setFailure(error),
    );
    return () => void (current = false);
  }, [name, round, Boolean(loaded), language.value]);
  if (failure instanceof api.ApiError && failure.code === GONE) return html`<${Frame} name=${name}><${NotHere} /><//>`;
  if (model?.name !== name) return html`<${Frame} name=${name}>${failure ? html`<${Trouble} error=${failure} retry=${again} />` : html`<p class="quiet">${t("web.loading")}</p>`}<//>`;
  const here = !model.elsewhere;
  const plain = here && !model.problem;
  return html`<${Frame} name=${name}>
    ${failure && html`<${Trouble} error=${failure} retry=${again} />`}
    <p class="quiet">${[modelNote(model), model.licence].filter(Boolean).join(" · ")}</p>
    <${Elsewhere} model=${model} />
    ${model.problem && html`<p class="statement">${model.problem}</p>`}
    <${Verbs} model=${model} />
    ${loaded && html`<div class="model-now"><${MemoryBar} plan=${loaded.plan} /></div>`}
    <div class="model-columns">
      <div class="model-main">
        ${plain && html`<${PlanView} key=${name} model=${model} changed=${again} />`}
        ${plain && html`<${Measured} model=${model} />`}
        ${plain && html`<${Making} model=${model} />`}
      </div>
      <div class="model-side">
        <${Facts} model=${model} loaded=${loaded} />
        <${Made} name=${name} />
        ${plain && !model.base && html`<${AdaptersOf} model=${model} changed=${again} />`}
        <${Template} name=${name} />
        ${plain && html`<${LoadOptions} key=${name} model=${model} changed=${again} />`}
      </div>
    </div>
  <//>`;
}

/** @param {{name: string, children?: any}} props */
function Frame({ name, children }) {
  return html`<main class="page page-wide model-page" id="main">
    <nav class="crumbs" aria-label=${t("web.models.way")}><a href="#/models">${t("web.nav.models")}</a></nav>
    <h1 class="path">${name}</h1>
    ${children}
  </main>`;
}

/** For a name that stands in an old address, or was mistyped. */
function NotHere() {
  return html`<div class="empty">
    <p>${t("web.models.not_here")}</p>
    <div class="row"><a class="button button-main" href="#/models">${t("web.models.to_shelf")}</a><a class="button" href="#/models//get">${t("web.finding.title")}</a></div>
  </div>`;
}

/** @param {{model: DescribedModel}} props */
function Verbs({ model }) {
  const { name } = model;
  const loaded = running.value.find((item) => item.model === name);
  return html`<div class="row model-verbs">
    ${!model.problem && !model.pooling && html`<button type="button" class="button button-main" onClick=${() => newChat(name)}>${t("web.home.start")}</button>`}
    ${loaded && html`<button type="button" class="button" disabled=${loaded.busy > 0} onClick=${() => unload(name)}><${Icon} name="stop" />${t(loaded.busy ? "web.model.busy" : "web.model.stop")}</button>`}
    ${!model.elsewhere && html`<button type="button" class="button button-quiet" onClick=${() => removeModel(model)}><${Icon} name="trash" />${t(model.place ? "web.models.forget" : "web.models.remove")}</button>`}
  </div>
  ${model.uses.length > 0 && html`<ul class="reasons">${model.uses.map((use) => html`<li key=${use}>${use}</li>`)}</ul>`}`;
}

/** Names that others use for it with other settings. @param {{name: string}} props */
function Made({ name }) {
  const made = (models.value ?? []).filter((model) => model.base === name);
  if (!made.length) return null;
  return html`<section aria-labelledby="made-title"><h2 id="made-title">${t("web.models.derived")}</h2>
    <p class="quiet">${t("web.models.derived_about")}</p>
    <ul class="rows">${made.map((model) => html`<li key=${model.name}><a class="link-row" href=${`#/models/${encodeURIComponent(model.name)}`}>${model.name}</a></li>`)}</ul>
  </section>`;
}

/** New models and files out of this one. @param {{model: DescribedModel}} props */
function Making({ model }) {
  const given = { model: model.name };
  return html`<section aria-labelledby="making-title"><h2 id="making-title">${t("web.models.making")}</h2>
    ${!model.base && html`<${KindFold} kind="quantize" given=${given} />`}
    ${!model.base && model.format === "gguf" && html`<${KindFold} kind="imatrix" given=${given} />`}
    <${KindFold} kind="verify" given=${given} />
    ${!model.base && !model.pooling && html`<p><a class="link-row" href=${`#/evals//${encodeURIComponent(model.name)}`}>${t("web.evals.of_model")}</a></p>`}
    ${!model.base && !model.pooling && html`<p><a class="link-row" href=${`#/directions//learn/${encodeURIComponent(model.name)}`}>${t("web.directions.of_model")}</a></p>`}
  </section>`;
}
