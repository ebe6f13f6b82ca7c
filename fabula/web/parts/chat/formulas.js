// Sets TeX as MathML, with Temml. It builds the elements itself: links, pictures, HTML and styles of the text stay out.
// Knows no message.
// @ts-check

const LONGEST = 5000; // characters of one formula
const RULES = { trust: false, throwOnError: true, strict: false, maxExpand: 500, maxSize: [20, 500] };
const FILE = new URL("../../vendor/temml-0.13.5.js", import.meta.url).href;

/** @type {Promise<any> | null} */
let library = null;

/** It is a classic script: what it brings is in the window. */
function load() {
  library ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = FILE;
    script.onload = () => done(/** @type {any} */ (window).temml);
    script.onerror = () => (script.remove(), (library = null), failed());
    document.head.append(script);
  });
  return library;
}

/** Three commands write a style as an attribute, which the content policy refuses: as properties it is let. @param {any} node */
function restyle(node) {
  const { style: written = "", ...others } = node.attributes ?? {};
  for (const rule of written.split(";").filter(Boolean)) {
    const [name, value] = rule.split(":").map((/** @type {string} */ part) => part.trim());
    node.style[name.replace(/-(\w)/g, (/** @type {string} */ _, /** @type {string} */ letter) => letter.toUpperCase())] = value;
  }
  if (written) node.attributes = others;
  node.children?.forEach(restyle);
}

/** All formulas of an element; one that is no TeX stays as it was written. @param {HTMLElement} element */
export async function set(element) {
  const temml = await load();
  for (const code of /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("code.formula, code.formula-block"))) {
    const tex = code.textContent ?? "";
    if (tex.length > LONGEST) continue;
    const place = document.createElement("span");
    const displayMode = code.className === "formula-block";
    try {
      const tree = temml.__renderToMathMLTree(tex, { ...RULES, displayMode });
      restyle(tree);
      place.append(tree.toNode());
    } catch {
      continue;
    }
    place.className = `${code.className}-set`;
    place.title = tex;
    code.replaceWith(place);
  }
}
