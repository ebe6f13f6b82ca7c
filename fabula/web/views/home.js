// Home: what this machine can do, what is on it, what to get next, and where the reader left off.
// @ts-check
import { Icon } from "../parts/Icon.js";
import { JobCard } from "../parts/JobCard.js";
import { ModelRow } from "../parts/ModelRow.js";
import { Trouble } from "../parts/Trouble.js";
import { html } from "../parts/html.js";
import { parametersOf, sentences, when } from "../parts/words.js";
import { chats, titleOf } from "../state/chats.js";
import { failure, fetching, jobs, loadSystem, models, onlyStarter, pull, system, usable } from "../state/system.js";
import { asBytes, t } from "../texts.js";

/** @import { Job, Machine, Suggestion } from "../types.d.ts" */

const RECENT = 3;
const SUGGESTED = 3;

export function Home() {
  return html`<main class="page" id="main">
    <h1>${t("web.home.title")}</h1>
    <${Body} />
  </main>`;
}

function Body() {
  if (failure.value && !system.value) return html`<${Trouble} error=${failure.value} retry=${loadSystem} />`;
  if (!system.value || !models.value) return html`<p class="quiet">${t("web.loading")}</p>`;
  return html`
    <p class="lead">${machineWords(system.value.machine)}</p>
    <${Models} />
    <${Downloads} />
    <${Recent} />
    <${Suggestions} list=${system.value.suggestions.slice(0, SUGGESTED)} />
  `;
}

/** @param {Machine} machine */
function machineWords({ processor, cores, memory, memory_available, gpus }) {
  const base = t("web.home.machine", { processor, cores, memory, free: memory_available });
  const cards = gpus.map((gpu) => t("web.home.gpu", { name: gpu.name, memory: gpu.memory, free: gpu.memory_free }));
  return sentences([base, ...(cards.length ? cards : [t("web.home.no_gpu")])]);
}

function Models() {
  const list = models.value ?? [];
  return html`<section aria-labelledby="models-title">
    <h2 id="models-title">${t("web.home.models")}</h2>
    ${list.length === 0 && html`<p class="quiet">${t("web.home.no_models")}</p>`}
    ${onlyStarter.value && html`<p class="statement">${t("web.home.starter_only", { name: usable.value[0].name })}</p>`}
    <ul class="rows">${list.map((model) => html`<${ModelRow} key=${model.name} model=${model} />`)}</ul>
  </section>`;
}

function Downloads() {
  const pulls = jobs.value.filter((job) => job.kind === "pull" && job.state !== "done" && job.state !== "cancelled");
  if (!pulls.length) return null;
  return html`<section aria-labelledby="downloads-title">
    <h2 id="downloads-title">${t("web.home.downloads")}</h2>
    <ul class="rows">${pulls.map((job) => html`<${JobCard} key=${job.id} job=${job} />`)}</ul>
  </section>`;
}

function Recent() {
  const recent = (chats.value ?? []).filter((chat) => chat.message_count > 0).slice(0, RECENT);
  if (!recent.length) return null;
  return html`<section aria-labelledby="recent-title">
    <h2 id="recent-title">${t("web.home.recent")}</h2>
    <ul class="rows">
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

/** @param {{list: Suggestion[]}} props */
function Suggestions({ list }) {
  if (!list.length) return null;
  return html`<section aria-labelledby="next-title">
    <h2 id="next-title">${t("web.home.next")}</h2>
    <p class="quiet">${t("web.home.next_about")}</p>
    <ul class="cards">${list.map((item) => html`<${SuggestionCard} key=${item.source} item=${item} />`)}</ul>
    <p><a href="#/models">${t("web.home.more_models")}</a></p>
  </section>`;
}

/** @param {{item: Suggestion}} props */
function SuggestionCard({ item }) {
  const job = jobs.value.find((other) => other.id === fetching.value[item.source]);
  const active = job?.state === "queued" || job?.state === "running";
  const facts = [parametersOf(item.parameters), item.quantization];
  return html`<li class="card">
    <h3>${item.title}</h3>
    <p class="quiet">${facts.filter(Boolean).join(" · ")}</p>
    <p>${item.why}</p>
    <p class=${`verdict verdict-${item.verdict}`}>${t(`web.verdict.${item.verdict}`)}</p>
    <button type="button" class="button" disabled=${active} onClick=${() => pull(item.source)}>
      <${Icon} name="get" />${active ? t("web.home.getting") : t("web.home.get", { size: asBytes(item.size) })}
    </button>
  </li>`;
}

