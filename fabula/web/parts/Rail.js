// The rooms, at the left edge (at the bottom on phones), and below them what is loaded and being fetched.
// @ts-check
import { addressOf, roomOf, ROOMS } from "../rooms.js";
import { overlay } from "../state/actions.js";
import { route } from "../state/route.js";
import { activeJobs, running } from "../state/system.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";
import { MemoryBar } from "./MemoryBar.js";

export function Rail() {
  return html`<nav class="rail" aria-label=${t("web.nav.label")}>
    ${ROOMS.filter((room) => room.rail).map((room) => html`<${RoomLink} key=${room.name} room=${room} />`)}
    <${Opener} opens="palette" icon="search" words=${t("web.palette.short")} title=${t("web.palette.title_keys")} class="only-wide" />
    <${Opener} opens="more" icon="more" words=${t("web.nav.more")} class="only-narrow" />
    <${RailFoot} />
  </nav>`;
}

/** @param {{room: import("../rooms.js").Room}} props */
function RoomLink({ room }) {
  const isHere = roomOf(route.value.view, "") === room;
  return html`<a class=${`rail-room ${room.tab ? "" : "only-wide"}`} href=${addressOf(room)} aria-current=${isHere ? "page" : undefined}>
    <${Icon} name=${room.icon} /><span>${t(room.words)}</span>
  </a>`;
}

/** @param {{opens: "palette" | "more", icon: string, words: string, title?: string, class: string}} props */
function Opener({ opens, icon, words, title, class: name }) {
  const open = () => (overlay.value = opens);
  const isHere = opens === "more" && !roomOf(route.value.view, "").tab; // behind it lies the room that is open
  return html`<button type="button" class=${`rail-room ${name}`} title=${title} aria-haspopup="dialog" aria-current=${isHere ? "page" : undefined} onClick=${open}><${Icon} name=${icon} /><span>${words}</span></button>`;
}

export function RailFoot() {
  return html`<div class="rail-foot">
    ${activeJobs.value.map((job) => html`<${JobMark} key=${job.id} job=${job} />`)}
    ${running.value.map((item) => html`<${LoadedMark} key=${item.model} item=${item} />`)}
  </div>`;
}

/** @param {{job: import("../types.d.ts").Job}} props */
function JobMark({ job }) {
  const share = job.progress.total ? job.progress.done / job.progress.total : 0;
  const words = t("web.jobs.mark", { title: job.title, share });
  return html`<a class="rail-mark" href=${`#/jobs/${job.id}`} aria-label=${words} title=${words}>
    <${Icon} name="get" /><span class="meter"><span style=${{ width: `${share * 100}%` }}></span></span>
  </a>`;
}

/** @param {{item: import("../types.d.ts").Running}} props */
function LoadedMark({ item }) {
  const name = item.model;
  return html`<a class="rail-mark" href=${`#/models/${encodeURIComponent(name)}`} title=${t("web.model.loaded_as", { model: name })}>
    <span class="rail-model">${name}</span><${MemoryBar} plan=${item.plan} small />
  </a>`;
}
