// Save what is drawn as a file: the picture with its colours in it, the numbers as CSV. Knows no plot.
// @ts-check

const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-size", "font-weight", "text-anchor", "opacity"];

/** A picture that stands alone: style sheets do not follow it. @param {SVGSVGElement} svg */
export function standing(svg) {
  const copy = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
  const nodes = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((node, index) => {
    const look = getComputedStyle(nodes[index]);
    for (const name of LOOKS) node.setAttribute(name, look.getPropertyValue(name));
    for (const name of ["class", "tabindex", "aria-describedby", "aria-labelledby", "role"]) node.removeAttribute(name);
  });
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of [["width", "100%"], ["height", "100%"], ["fill", getComputedStyle(document.body).backgroundColor]]) paper.setAttribute(name, value);
  copy.prepend(paper);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}

/** @param {string} name @param {string} text @param {string} type */
export function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** What any system takes as a file's name. @param {string} title @param {string} ending */
export const fileName = (title, ending) => `${title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "plot"}.${ending}`;
