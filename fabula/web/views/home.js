// Home: what this machine can do, what is loaded, where the reader left off, what to get next, what is under way.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { Icon, Press } from "../parts/Icon.js";
import { later } from "../parts/later.js";
import { Loaded } from "../parts/MemoryBar.js";
import { Trouble } from "../parts/Trouble.js";
import { html } from "../parts/html.js";
import { parametersOf, sentences, when } from "../parts/words.js";
import { chats, failure as chatsFailure, newChat, titleOf } from "../state/chats.js";
import { activeJobs, failure, fetching, jobs, loadNovels, loadSystem, models, novels, preferredModel, pull, running, system, usable } from "../state/system.js";
import { asBytes, t } from "../texts.js";

/** @import { Job, Machine, Suggestion, System } from "../types.d.ts" */

const RECENT = 3;
const nothing = () => null;
const JobCard = later(() => import("../parts/JobCard.js"), "JobCard", undefined, nothing);
const JobBrief = later(() => import("../parts/JobCard.js"), "JobBrief", undefined, nothing);

export function Home() {
  const [asked, setAsked] = useState(novels.value !== null);
  useEffect(() => void loadNovels().finally(() => setAsked(true)), []);
  return html`<main class="page home" id="main">
    <h1>${t("web.home.title")}</h1>
    <${Body} isAsked=${asked} />
  </main>`;
}

/** @param {{isAsked: boolean}} props whether it is known what was written last, which stands above the rest: nothing moves when it comes */
function Body({ isAsked }) {
  if (failure.value && !system.value) return html`<${Trouble} error=${failure.value} retry=${loadSystem} />`;
  if (!system.value || !models.value) return html`<p class="quiet">${t("web.loading")}</p>`;
  return html`
    <p class="lead">${sentences([canWords(system.value.reach), machineWords(system.value.machine)])}</p>
    <${Numbers} machine=${system.value.machine} />
    ${isAsked && (chats.value || chatsFailure.value) ? html`<${Rest} />` : html`<p class="quiet">${t("web.loading")}</p>`}
  `;
}

function Rest() {
  const isNew = chats.value !== null && !chats.value.some((chat) => chat.message_count > 0) && novels.value !== null && !novels.value.length;
  return html`
    ${isNew && html`<${FirstSteps} />`}
    ${!isNew && html`<${Recent} />`}
    <${Now} />
    <${Work} />
    <${Suggestions} />
  `;
}

/** Where nothing was done yet: what to do first, in one screen. */
function FirstSteps() {
  const name = preferredModel.value;
  const starter = name && name === system.value?.starter.name;
  return html`<section class="first" aria-labelledby="first-title">
    <h2 id="first-title">${t("web.first.title")}</h2>
    <ol class="first-steps">
      <li><h3>${t("web.first.talk")}</h3><p>${t(!name ? "web.first.talk_none" : starter ? "web.first.talk_starter" : "web.first.talk_about", { name })}</p>
        ${name && html`<${Press} class="button button-main" onClick=${() => newChat(name)}>${t("web.home.start")}<//>`}</li>
      <li><h3>${t("web.first.get")}</h3><p>${t("web.first.get_about")}</p><a class="button" href="#/models//get">${t("web.finding.title")}</a></li>
      <li><h3>${t("web.first.bring")}</h3><p>${t("web.first.bring_about")}</p><a class="button" href="#/models">${t("web.first.places")}</a> <a class="button" href="#/characters">${t("web.nav.characters")}</a></li>
    </ol>
  </section>`;
}

// ── this machine ────────────────────────────────────────────────────────────────────────────────────

/** The largest that fits, and the largest that writes as fast as one reads. @param {System["reach"]} reach */
function canWords({ largest: name, largest_parameters, quick, quick_parameters }) {
  if (!name) return "";
  const [largest, fast] = [largest_parameters, quick_parameters].map((count) => `${(count / 1e9).toFixed(count < 1e10 ? 1 : 0)}B`);
  if (!quick) return t("web.home.can", { largest, name });
  return t(quick === name ? "web.home.can_all" : "web.home.can_fast", { largest, name, fast, quick });
}

/** @param {Machine} machine */
function machineWords({ gpus, processor }) {
  const cards = gpus.map((gpu) => t("web.home.gpu", { name: gpu.name, memory: gpu.memory, free: gpu.memory_free }));
  return sentences(cards.length ? cards : [t("web.home.no_gpu", { processor })]);
}

/** @param {{machine: Machine}} props */
function Numbers({ machine: { cores, memory, memory_available, gpus } }) {
  const rows = [
    [t("web.home.free_memory"), t("web.home.of", { free: memory_available, whole: memory })],
    ...gpus.map((gpu) => [gpu.name, t("web.home.of", { free: gpu.memory_free, whole: gpu.memory })]),
    [t("web.home.cores"), String(cores)],
    [t("web.home.models"), String(usable.value.length)],
  ];
  return html`<dl class="numbers">${rows.map(([name, value]) => html`<div key=${name}><dt class="quiet">${name}</dt><dd class="tabular">${value}</dd></div>`)}</dl>`;
}

// ── what there is ───────────────────────────────────────────────────────────────────────────────────

function Now() {
  const name = preferredModel.value;
  return html`<section aria-labelledby="now-title">
    <h2 id="now-title">${t("web.home.loaded")}</h2>
    ${!running.value.length && html`<p class="quiet">${t("web.home.nothing_loaded")}</p>`}
    <ul class="rows">${running.value.map(({ model }) => html`<li key=${model} class="now-row">
      <a class="model-title link-row" href=${`#/models/${encodeURIComponent(model)}`}>${model}</a><${Loaded} name=${model} />
    </li>`)}</ul>
    <div class="row">
      ${name && html`<${Press} class="button button-main" onClick=${() => newChat(name)}><${Icon} name="plus" />${t("web.home.chat_with", { model: name })}<//>`}
      <a class="button" href="#/models">${t("web.home.all_models", { count: usable.value.length })}</a>
    </div>
  </section>`;
}

function Recent() {
  const recent = (chats.value ?? []).filter((chat) => chat.message_count > 0).slice(0, RECENT);
  const last = novels.value?.[0];
  if (!recent.length && !last) return null;
  return html`<section aria-labelledby="recent-title">
    <h2 id="recent-title">${t("web.home.recent")}</h2>
    <ul class="rows">
      ${last && html`<li><a class="recent" href=${`#/novel/${encodeURIComponent(last.id)}`}>
        <span class="recent-title"><${Icon} name="write" /> ${last.title || t("web.home.untitled_novel")}</span>
        <span class="recent-preview quiet">${t("web.home.novel")}</span>
        <time class="quiet">${when(last.updated_at)}</time>
      </a></li>`}
      ${recent.map(
        (chat) => html`<li key=${chat.id}><a class="recent" href=${`#/chat/${encodeURIComponent(chat.id)}`}>
          <span class="recent-title">${titleOf(chat)}</span>
          <span class="recent-preview quiet">${chat.title ? chat.preview : ""}</span>
          <time class="quiet">${when(chat.updated_at)}</time>
        </a></li>`,
      )}
    </ul>
  </section>`;
}

/** What runs, and downloads that did not end well. */
function Work() {
  const broken = jobs.value.filter((job) => job.kind === "pull" && (job.state === "failed" || job.state === "interrupted")).slice(0, RECENT);
  const list = [...activeJobs.value, ...broken];
  if (!list.length) return null;
  return html`<section aria-labelledby="work-title">
    <h2 id="work-title">${t("web.home.work")}</h2>
    <ul class="rows">${list.map((job) => html`<${JobCard} key=${job.id} job=${job} />`)}</ul>
    <p><a href="#/jobs">${t("web.home.all_work")}</a></p>
  </section>`;
}

const SUGGESTED = 3;

function Suggestions() {
  const list = (system.value?.suggestions ?? []).slice(0, SUGGESTED);
  if (!list.length) return null;
  return html`<section aria-labelledby="next-title">
    <h2 id="next-title">${t("web.home.next")}</h2>
    <p class="quiet">${t("web.home.next_about")}</p>
    <ul class="cards">${list.map((item) => html`<${Suggested} key=${item.source} item=${item} />`)}</ul>
    <p class="after-cards"><a href="#/models//get">${t("web.home.more_models")}</a></p>
  </section>`;
}

/** One click gets it; then how far it is, then its page. @param {{item: Suggestion}} props */
function Suggested({ item }) {
  const { title, source, size, verdict, why, speed } = item;
  const job = jobs.value.find((other) => other.id === fetching.value[source]);
  const [low, high] = (speed?.written ?? [0, 0]).map(Math.round);
  const facts = [parametersOf(item.parameters), item.quantization, asBytes(size), high > 0 ? t("web.finding.speed", { low, high }) : ""];
  return html`<li class="card">
    <h3>${title}</h3>
    <p class="quiet tabular">${facts.filter(Boolean).join(" · ")}</p>
    <p>${why}</p>
    <p class=${`verdict verdict-${verdict}`}>${t(`web.verdict.${verdict}`)}</p>
    <${GetIt} item=${item} job=${job} />
  </li>`;
}

/** @param {{item: Suggestion, job: Job | undefined}} props */
function GetIt({ item, job }) {
  const here = job?.state === "done" && usable.value.find((model) => model.name === job.result.name);
  if (job && (job.state === "queued" || job.state === "running")) return html`<${JobBrief} job=${job} />`;
  if (here) return html`<a class="button" href=${`#/models/${encodeURIComponent(here.name)}`}>${t("web.home.open")}</a>`;
  return html`<${Press} class="button" onClick=${() => pull(item.source)}><${Icon} name="get" />${t(item.approximate ? "web.finding.get_about" : "web.home.get", { size: asBytes(item.size) })}<//>`;
}
