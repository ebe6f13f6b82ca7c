// Pictures of other hosts in a text: a quiet line that says that they are not shown, and the pictures once they are
// allowed. The studio asks for them; the page asks nobody else. Knows the text before it.
// @ts-check
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { addressOf, ApiError, get } from "../api.js";
import { choose, learn, places } from "../state/pictures.js";
import { language, t } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";
import { Menu } from "./Menu.js";

/** The link that a picture stands in the place of. @type {WeakMap<Element, HTMLAnchorElement>} */
const links = new WeakMap();

/** @param {{text: string, where: string}} props where: "chat=ID" or "character=ID" */
export function OutsidePictures({ text, where }) {
  const line = useRef(/** @type {HTMLElement | null} */ (null));
  const [hosts, setHosts] = useState(/** @type {string[]} */ ([]));
  const place = places.value[where];
  useLayoutEffect(() => {
    const prose = proseOf(line.current);
    hide(prose);
    setHosts(linksIn(prose).map((link) => link.hostname));
    learn(where);
  }, [text, where]);
  useLayoutEffect(() => {
    if (place?.allowed) show(proseOf(line.current), where);
    else hide(proseOf(line.current));
  }, [text, where, place?.allowed]);
  return html`<div ref=${line} class="outside" role="group" aria-label=${t("web.pictures.label")} hidden=${!place || !hosts.length}>
    ${place && hosts.length > 0 && html`<${Line} place=${place} where=${where} hosts=${hosts} />`}
  </div>`;
}

/** @param {{place: import("../state/pictures.js").Place, where: string, hosts: string[]}} props */
function Line({ place, where, hosts }) {
  const names = new Intl.ListFormat(language.value, { style: "narrow" }).format(new Set(hosts));
  if (!place.allowed) {
    const words = hosts.length === 1 ? t("web.pictures.hidden_one", { hosts: names }) : t("web.pictures.hidden", { hosts: names, count: hosts.length });
    return html`<span>${words}</span>
      <button type="button" class="link-button" title=${t(`web.pictures.for_${place.kind}`)} onClick=${() => choose(where, true)}>${t("web.pictures.show")}</button>`;
  }
  const items = [{ label: t(`web.pictures.hide_${place.kind}`), icon: "close", run: () => choose(where, false) }];
  return html`<span>${t("web.pictures.shown", { hosts: names })}</span>
    <${Menu} label=${t("web.pictures.label")} items=${items}><${Icon} name="more" /><//>`;
}

/** @param {HTMLElement | null} line */
const proseOf = (line) => /** @type {HTMLElement} */ (line?.previousElementSibling);

/** @param {HTMLElement} prose @returns {HTMLAnchorElement[]} */
const linksIn = (prose) => [...prose.querySelectorAll(/** @type {"a"} */ ("a.outside-picture"))];

/** @param {HTMLElement} prose @param {string} where */
function show(prose, where) {
  for (const link of linksIn(prose)) {
    const path = `/pictures?${where}&address=${encodeURIComponent(link.href)}`;
    const picture = new Image();
    picture.loading = "lazy";
    picture.alt = link.textContent === link.getAttribute("href") ? "" : (link.textContent ?? "");
    picture.title = link.title;
    picture.className = "outside-shown";
    picture.onerror = () => tellWhy(picture, link, path);
    picture.src = addressOf(path);
    links.set(picture, link);
    link.replaceWith(picture);
  }
}

/** A picture that did not come is its link again. @param {HTMLImageElement} picture @param {HTMLAnchorElement} link @param {string} path */
async function tellWhy(picture, link, path) {
  const why = document.createElement("small");
  why.className = "outside-why";
  picture.replaceWith(link, " ", why);
  await get(path).catch((error) => error instanceof ApiError && (why.textContent = error.message));
}

/** @param {HTMLElement} prose */
function hide(prose) {
  for (const why of prose.querySelectorAll(".outside-why")) why.remove();
  for (const picture of prose.querySelectorAll(".outside-shown")) picture.replaceWith(/** @type {Element} */ (links.get(picture)));
}
