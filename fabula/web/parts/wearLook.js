// Puts the look on the page: attributes, properties and style sheets of the root. What is worn is remembered, so that
// early.js can put it on before the first paint. Knows no setting's meaning but how it shows.
// @ts-check
import { effect } from "@preact/signals";
import { offer } from "../state/actions.js";
import { DEFAULTS, look, pictureAddress, plain, styleAddress, styleStamp } from "../state/look.js";
import { t } from "../texts.js";

/** @import { Look } from "../types.d.ts" */
/** @typedef {{data: Record<string, string>, vars: Record<string, string>, sheets: string[], style: string}} Outfit */

const WORN = "fabula.worn";
/** Light and dark are the tokens themselves. */
const IN_TOKENS = ["auto", "light", "dark"];
/** `?safe` behind the address leaves the person's own style sheet out, whatever it has done to the page. */
const isSafe = new URLSearchParams(location.search).has("safe");

/** @param {Look} look @param {string} style @returns {Outfit} */
function outfitOf({ theme, accent, chat, reading, size, line, width, background, veil, numbers, avatars, times }, style) {
  const data = {
    reading,
    ...(theme === "auto" ? {} : { theme }),
    ...(accent === DEFAULTS.accent ? {} : { accent }),
    ...(chat === DEFAULTS.chat ? {} : { chat }),
    ...(line ? { line: "own" } : {}),
    ...(background ? { background: "own" } : {}),
    ...(numbers ? {} : { numbers: "off" }),
    ...(avatars ? { avatars: "on" } : {}),
    ...(times ? { times: "on" } : {}),
  };
  const vars = {
    ...(size === DEFAULTS.size ? {} : { "--reading-size": `${size}px` }),
    ...(line ? { "--line-own": String(line) } : {}),
    ...(width === DEFAULTS.width ? {} : { "--column": `${width}rem` }),
    ...(background ? { "--background": `url("${pictureAddress(background)}")`, "--veil": `${veil * 100}%` } : {}),
  };
  const sheets = [
    ...(IN_TOKENS.includes(theme) ? [] : [`themes/${theme}.css`]),
    ...(accent === DEFAULTS.accent ? [] : ["themes/accents.css"]),
    ...(needsRules(data) ? ["themes/look.css"] : []),
  ];
  return { data, vars, sheets, style };
}

/** @param {Record<string, string>} data */
const needsRules = (data) => ["chat", "line", "background", "numbers", "avatars", "times"].some((name) => name in data) || data.reading === "mono";

let worn = /** @type {Outfit} */ ({ data: {}, vars: {}, sheets: [], style: "" });

/** @param {Outfit} next */
function wear(next) {
  const root = document.documentElement;
  for (const name of Object.keys(worn.data)) if (!(name in next.data)) delete root.dataset[name];
  for (const name of Object.keys(worn.vars)) if (!(name in next.vars)) root.style.removeProperty(name);
  Object.assign(root.dataset, next.data);
  for (const [name, value] of Object.entries(next.vars)) root.style.setProperty(name, value);
  const sheets = next.sheets.map((name) => new URL(`../style/${name}`, import.meta.url).href);
  keepLinks([...sheets, ...(next.style && !isSafe ? [next.style] : [])]);
  worn = next;
  localStorage.setItem(WORN, JSON.stringify({ ...next, sheets }));
}

/** Exactly these sheets, in this order, after those of the app (parts/later.js puts what comes later before them). One that stays is not moved: it would be read again. @param {string[]} wanted */
function keepLinks(wanted) {
  const links = /** @type {HTMLLinkElement[]} */ ([...document.querySelectorAll("link[data-look]")]);
  for (const link of links) if (!wanted.includes(link.href)) link.remove();
  const held = (/** @type {string} */ href) => links.find((link) => link.href === href);
  wanted.forEach((href, place) => {
    if (held(href)) return;
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = href;
    link.dataset.look = "";
    document.head.insertBefore(link, wanted.slice(place + 1).map(held).find(Boolean) ?? null);
  });
}

/** What early.js put on, so that it can be taken off again. */
function recall() {
  try {
    worn = { ...worn, ...JSON.parse(localStorage.getItem(WORN) ?? "{}") };
  } catch {
    localStorage.removeItem(WORN);
  }
}

recall();
effect(() => wear(outfitOf(look.value, styleStamp.value && !plain.value ? new URL(styleAddress(), location.href).href : "")));

offer("style", () => [
  {
    id: "style sheet", words: t(plain.value ? "web.look.style_on" : "web.look.style_off"), off: !styleStamp.value,
    run: () => (plain.value = !plain.value),
  },
]);
