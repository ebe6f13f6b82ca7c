// Shows Markdown, whole or while it grows. Knows no message.
// @ts-check
import { useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../texts.js";
import { html } from "./html.js";
import { later } from "./later.js";
import { GrowingMarkdown, mayHoldOutside, renderMarkdown, scriptOf } from "./renderMarkdown.js";

const COPIED_MS = 1500;

const OutsidePictures = later(() => import("./pictures.js"), "OutsidePictures", [], () => null);

/** @param {{text: string, pictures?: string}} props pictures: whose choice counts for those of other hosts, "chat=ID" or "character=ID" */
export function Markdown({ text, pictures = "" }) {
  const block = html`<${Block} text=${text} class="prose" />`;
  return pictures && mayHoldOutside(text) ? html`${block}<${OutsidePictures} text=${text} where=${pictures} />` : block;
}

/** @param {{text: import("@preact/signals").Signal<string>}} props */
export function LiveMarkdown({ text }) {
  const growing = useRef(/** @type {GrowingMarkdown | null} */ (null));
  growing.current ??= new GrowingMarkdown();
  growing.current.feed(text.value);
  const { blocks, tail } = growing.current;
  return html`<div class="prose prose-live" lang=${scriptOf(text.value) || undefined}>
    ${blocks.map((block, index) => html`<${Block} key=${index} text=${block} class="prose-block" />`)}
    <${Block} key=${blocks.length} text=${tail} class="prose-block prose-tail" />
  </div>`;
}

/** @param {{text: string, class: string}} props */
function Block({ text, class: name }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const markup = renderMarkdown(text);
  const label = t("web.message.copy_code");
  useLayoutEffect(() => {
    addCopyButtons(/** @type {HTMLElement} */ (element.current), label);
    if (markup.includes('class="formula')) setFormulas(/** @type {HTMLElement} */ (element.current));
  }, [markup, label]);
  return html`<div
    ref=${element}
    class=${name}
    lang=${(name === "prose" && scriptOf(text)) || undefined}
    dangerouslySetInnerHTML=${{ __html: markup }}
  ></div>`;
}

/** The library comes with the first formula; without it the TeX stays readable. @param {HTMLElement} element */
const setFormulas = (element) => import("./chat/formulas.js").then(({ set }) => set(element), () => null);

/** @param {HTMLElement} element @param {string} label */
function addCopyButtons(element, label) {
  for (const code of element.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.className = "code-copy";
    button.type = "button";
    button.textContent = label;
    button.onclick = () => copyCode(button, code.querySelector("code")?.textContent ?? "", label);
    code.querySelector(":scope > .code-copy")?.remove();
    code.append(button);
  }
}

/** @param {HTMLButtonElement} button @param {string} text @param {string} label */
async function copyCode(button, text, label) {
  await navigator.clipboard.writeText(text);
  button.textContent = t("web.message.copied");
  setTimeout(() => (button.textContent = label), COPIED_MS);
}
