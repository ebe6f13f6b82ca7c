// Text of a model, a card or a person as safe HTML: the one place where HTML is made from text. Knows no view.
// @ts-check
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { addressOf } from "../api.js";

const TAGS =
  "a abbr b blockquote br cite code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s " +
  "samp small span strong sub summary sup table tbody td th thead tr u ul";
const ATTRIBUTES = "align alt class colspan href lang open rowspan src start title";
const CACHED = 400;

const ATTACHED = /^attachment:([0-9a-f]{64}\.(?:png|jpg|gif|bmp))$/;

/** What a person attached lies in the studio. @param {string} address */
const resolved = (address) => address.replace(ATTACHED, (_, name) => addressOf(`/chats/attachments/${name}`));

/** @param {string} text */
const escape = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** An image that comes with the text or from the studio; others would tell their host that the text was read. @param {string} address */
const isLocal = (address) => /^data:image\//i.test(address) || (address.startsWith("/") && isOurs(address));

/** Browsers read "/\\host" and "/⇥/host" as another host, too. @param {string} address */
const isOurs = (address) => URL.canParse(address, location.href) && new URL(address, location.href).origin === location.origin;

/** A picture that the studio can ask for, where it was allowed (pictures.js). @param {string} address */
const isOutside = (address) => URL.canParse(address, location.href) && /^https?:$/.test(new URL(address, location.href).protocol) && !isOurs(address);

const UNSEEN = /<(script|style|iframe|object|template|noscript|svg|math)\b[^]*?(<\/\1\s*>|$)|<!--[^]*?(-->|$)/gi;
const ANY_TAG = /(<\/?[a-z][^<>]*>)/i;
const OPENING = /^<(\/?)([a-z][a-z0-9]*)/i;
const ALLOWED = new Set(TAGS.split(" "));

/** A picture that is here; one of another host is a link, which is a picture where that was allowed. @param {string} address @param {string} words @param {string} title */
function picture(address, words, title) {
  const about = title ? ` title="${escape(title)}"` : "";
  const place = resolved(address);
  if (isLocal(place)) return `<img src="${escape(place)}" alt="${escape(words)}"${about}>`;
  return `<a href="${escape(address)}"${about}${isOutside(address) ? ' class="outside-picture"' : ""}>${escape(words || address)}</a>`;
}

const ATTRIBUTE = /([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/g;
const ENTITIES = /** @type {Record<string, string>} */ ({ "&amp;": "&", "&quot;": '"', "&#39;": "'", "&lt;": "<", "&gt;": ">" });

/** An <img> as Markdown's pictures are: of all it says only what it shows. @param {string} tag */
function pictureTag(tag) {
  /** @type {Record<string, string>} */
  const said = {};
  for (const [, name, double, single, plain] of tag.slice("<img".length).matchAll(ATTRIBUTE)) {
    said[name.toLowerCase()] ??= (double ?? single ?? plain ?? "").replace(/&(?:amp|quot|#39|lt|gt);/g, (sign) => ENTITIES[sign]);
  }
  const address = (said.src ?? "").trim();
  return isLocal(resolved(address)) || isOutside(address) ? picture(address, said.alt ?? "", said.title ?? "") : "";
}

/**
 * HTML inside Markdown keeps its plain tags and loses every attribute, but for what a picture shows. Handlers and styles must not reach even the
 * sanitizer's parser: the content policy would report each of them. @param {string} source
 */
function plainTags(source) {
  const pieces = source.replace(UNSEEN, "").split(ANY_TAG);
  return pieces.map((piece) => {
    const tag = OPENING.exec(piece);
    if (!tag) return piece.replace(/[<>]/g, escape);
    if (tag[2].toLowerCase() === "img") return tag[1] ? "" : pictureTag(piece);
    return ALLOWED.has(tag[2].toLowerCase()) ? `<${tag[1]}${tag[2].toLowerCase()}>` : "";
  }).join("");
}

const marked = new Marked({ gfm: true, breaks: true });
marked.use({
  renderer: {
    html: (/** @type {any} */ { text }) => plainTags(text),
    checkbox: (/** @type {any} */ { checked }) => (checked ? "☑ " : "☐ "),
    image: (/** @type {any} */ { href, title, text }) => picture(href, text, title ?? ""),
  },
});

// TeX between dollars or backslashed brackets is kept from Markdown, and shown as it is until `formulas` sets it.
const INLINE = /^\$(?![\s$])((?:\\.|[^\\$\n])+?)(?<!\s)\$(?!\d)|^\\\(([^]+?)\\\)/;
const BLOCK = /^(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])[ \t]*(?:\n|$)/;

/** @param {string} name @param {"inline" | "block"} level @param {RegExp} rule @param {RegExp} start */
const formula = (name, level, rule, start) => ({
  name,
  level,
  start: (/** @type {string} */ source) => source.match(start)?.index,
  tokenizer(/** @type {string} */ source) {
    const found = rule.exec(source);
    return found ? { type: name, raw: found[0], text: (found[1] ?? found[2]).trim() } : undefined;
  },
  renderer: (/** @type {any} */ { text }) => (level === "block" ? `<p><code class="formula-block">${escape(text)}</code></p>` : `<code class="formula">${escape(text)}</code>`),
});
marked.use({ extensions: [formula("formulaBlock", "block", BLOCK, /\$\$|\\\[/), formula("formula", "inline", INLINE, /\$|\\\(/)] });

const purify = DOMPurify(window);
purify.setConfig({ ALLOWED_TAGS: [...ALLOWED], ALLOWED_ATTR: ATTRIBUTES.split(" "), ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false }); // once: each text would be asked to read it
purify.addHook("uponSanitizeAttribute", (_, attribute) => {
  if (attribute.attrName === "class" && !/^(language-[\w+#.-]+|formula(-block)?|outside-picture)$/.test(attribute.attrValue)) attribute.keepAttr = false;
  if (attribute.attrName === "src" && !isLocal(attribute.attrValue)) attribute.keepAttr = false;
});
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A" || !node.hasAttribute("href")) return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer");
});

/** @type {Map<string, string>} */
const cache = new Map();

/** Whether it may hold pictures of other hosts. @param {string} text */
export const mayHoldOutside = (text) => /!\[|<img\b/i.test(text) && renderMarkdown(text).includes('class="outside-picture"');

/** Markdown as HTML without scripts, styles, forms or remote images. @param {string} text */
export function renderMarkdown(text) {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const html = purify.sanitize(/** @type {string} */ (marked.parse(text)));
  if (cache.size >= CACHED) cache.delete(/** @type {string} */ (cache.keys().next().value));
  cache.set(text, html);
  return html;
}

/**
 * Markdown that grows: the blocks that can no longer change, and the tail that still can. Each call looks only at
 * the tail.
 */
export class GrowingMarkdown {
  /** @type {string[]} */
  blocks = [];
  tail = "";
  #settled = 0; // length of the text that `blocks` hold

  /** @param {string} text the whole text so far */
  feed(text) {
    if (text.length < this.#settled) Object.assign(this, { blocks: [], tail: "" }), (this.#settled = 0);
    this.tail = text.slice(this.#settled);
    const tokens = marked.lexer(this.tail);
    const last = tokens.findLastIndex((token) => token.type !== "space");
    // A block is settled once another one has begun after it: until then a list, say, may go on.
    const done = tokens.slice(0, Math.max(0, last)).map((token) => token.raw).join("");
    if (!done.trim() || !this.tail.startsWith(done)) return;
    this.blocks = [...this.blocks, done];
    this.#settled += done.length;
    this.tail = this.tail.slice(done.length);
  }
}

const HAN = /\p{Script=Han}/gu;
const SIMPLIFIED = /[这们说个为来时过对没还发会样现开关听见问头话让给谁]/gu;
const TRADITIONAL = /[這們說個為來時過對沒還發會樣現開關聽見問頭話讓給誰]/gu;

/** The language of a text where it is Chinese, for the right glyphs; "" otherwise. @param {string} text */
export function scriptOf(text) {
  const sample = text.slice(0, 600);
  if ((sample.match(HAN)?.length ?? 0) * 8 < sample.length) return "";
  const simplified = sample.match(SIMPLIFIED)?.length ?? 0;
  const traditional = sample.match(TRADITIONAL)?.length ?? 0;
  if (simplified === traditional) return document.documentElement.lang.startsWith("zh") ? document.documentElement.lang : "zh-Hans";
  return simplified > traditional ? "zh-Hans" : "zh-Hant";
}
