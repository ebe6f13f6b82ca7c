// Settings: a page for each kind of them, found by words. Each page's code comes when it is opened. Knows no setting.
// @ts-check
import { signal } from "@preact/signals";
import { Icon } from "../parts/Icon.js";
import { html } from "../parts/html.js";
import { later } from "../parts/later.js";
import { PAGES } from "../parts/settings/pages.js";
import { t } from "../texts.js";

/** @param {() => Promise<any>} load @param {string} name */
const page = (load, name) => later(load, name);

const PARTS = {
  appearance: page(() => import("../parts/settings/Appearance.js"), "AppearancePage"),
  language: page(() => import("../parts/settings/Language.js"), "Language"),
  shortcuts: page(() => import("../parts/settings/Keyboard.js"), "Keyboard"),
  studio: page(() => import("../parts/settings/Studio.js"), "Studio"),
  keys: page(() => import("../parts/settings/Access.js"), "Access"),
  engines: page(() => import("../parts/settings/Engines.js"), "Engines"),
  servers: page(() => import("../parts/Remotes.js"), "Remotes"),
  places: page(() => import("../parts/settings/Folders.js"), "Folders"),
  import: page(() => import("../parts/settings/Import.js"), "Import"),
  backups: page(() => import("../parts/settings/Backups.js"), "Backups"),
  guard: page(() => import("../parts/settings/Guard.js"), "Guard"),
  about: page(() => import("../parts/settings/About.js"), "About"),
};
const Found = page(() => import("../parts/settings/Found.js"), "Found");
const FIRST = PAGES[0];

/** What is looked for; it stays while one looks into what was found. */
const words = signal("");

/** @param {{id: string}} props the page; "" is the list of them on a phone, the first page on a wide screen */
export function Settings({ id }) {
  const open = PAGES.find((name) => name === id);
  const Shown = PARTS[open ?? FIRST];
  return html`<main class=${`page settings ${open || words.value ? "settings-in" : ""}`} id="main">
    <div class="settings-head">
      ${open && html`<a class="settings-back only-narrow" href="#/settings" aria-label=${t("web.settings.back")}><${Icon} name="left" /></a>`}
      <h1>${t("web.nav.settings")}</h1>
    </div>
    <div class="settings-side">
      <${SearchBox} />
      <nav aria-label=${t("web.settings.pages")}>
        <ul class="settings-pages">
          ${PAGES.map((name) => html`<li key=${name}>
            <a href=${`#/settings/${name}`} aria-current=${name === (open ?? FIRST) ? "page" : undefined} onClick=${() => (words.value = "")}>
              <span>${t(`web.settings.page.${name}`)}</span><${Icon} name="right" />
            </a>
          </li>`)}
        </ul>
      </nav>
    </div>
    <div class="settings-body">
      ${words.value.trim() ? html`<${Found} words=${words.value} pages=${PAGES} clear=${() => (words.value = "")} />` : html`<${Shown} key=${open ?? FIRST} />`}
    </div>
  </main>`;
}

function SearchBox() {
  return html`<div class="search settings-search">
    <${Icon} name="search" />
    <input type="search" class="field" placeholder=${t("web.settings.search")} aria-label=${t("web.settings.search")} value=${words.value}
      onInput=${(/** @type {any} */ event) => (words.value = event.target.value)} />
  </div>`;
}
