// Draws the part of a map that is on the screen: however large the tree, it is one canvas. Knows no chat.
// @ts-check

/** @import { Layout } from "./layout.js" */

export const ROW = 22; // CSS pixels from one message to the next
export const LANE = 20;
export const EDGE = 18; // around it all
const DOT = 4.5;
const NAME_GAP = 12;

/** @param {number} lane */
export const x = (lane) => EDGE + lane * LANE;
/** @param {number} row */
export const y = (row) => EDGE + row * ROW;

/** Room for the names of checkpoints at the right. @param {Layout} layout @param {number} nameWidth */
export const sizeOf = ({ width, levels }, nameWidth) => ({ width: x(width - 1) + EDGE + nameWidth, height: y(levels.length - 1) + EDGE });

/** The message at a place, -1 = none. @param {Layout} layout @param {number} left @param {number} top */
export function nodeAt({ levels, lanes }, left, top) {
  const row = Math.round((top - EDGE) / ROW);
  const lane = Math.round((left - EDGE) / LANE);
  return (levels[row] ?? []).find((node) => lanes[node] === lane) ?? -1;
}

/** The colours of the theme, from properties of the canvas that nothing else uses. @param {HTMLCanvasElement} canvas */
function coloursOf(canvas) {
  const style = getComputedStyle(canvas);
  return { ink: style.color, path: style.fill, line: style.stroke, quiet: style.textDecorationColor, paper: style.caretColor, mark: style.outlineColor, font: style.fontFamily };
}

/**
 * @param {HTMLCanvasElement} canvas as large as what is seen
 * @param {Layout} layout
 * @param {{left: number, top: number, focus: number, marked: number}} view
 */
export function draw(canvas, layout, { left, top, focus, marked }) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const colours = coloursOf(canvas);
  pen.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
  const first = Math.max(0, Math.floor((top - EDGE) / ROW) - 1);
  const last = Math.min(layout.levels.length - 1, Math.ceil((top + height - EDGE) / ROW) + 1);
  drawLines(pen, layout, first, last, colours);
  for (let row = first; row <= last; row += 1) layout.levels[row].forEach((node) => drawDot(pen, layout, node, colours));
  for (let row = first; row <= last; row += 1) drawNames(pen, layout, row, colours);
  for (const [node, colour] of /** @type {const} */ ([[marked, colours.mark], [focus, colours.path]])) if (node >= 0) ring(pen, layout, node, colour);
}

/** @param {CanvasRenderingContext2D} pen @param {Layout} layout @param {number} first @param {number} last @param {Record<string, string>} colours */
function drawLines(pen, layout, first, last, colours) {
  for (const line of layout.lines.toReversed()) {
    if (line.end < first || line.start - 1 > last) continue;
    const ends = line.nodes.findLastIndex((node) => layout.shown[node]);
    trace(pen, layout, line, line.nodes.length - 1, { first, last }, colours.line, 1.5);
    if (ends >= 0) trace(pen, layout, line, ends, { first, last }, colours.path, 3.5);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Layout} layout @param {import("./layout.js").Line} line @param {number} upto @param {{first: number, last: number}} seen @param {string} colour @param {number} thick */
function trace(pen, { rows, lanes }, line, upto, { first, last }, colour, thick) {
  const end = Math.min(line.start + upto, last + 1);
  pen.beginPath();
  pen.strokeStyle = colour;
  pen.lineWidth = thick;
  if (line.from >= 0) {
    pen.moveTo(x(lanes[line.from]), y(rows[line.from]));
    pen.bezierCurveTo(x(lanes[line.from]), y(line.start) - 4, x(line.lane), y(rows[line.from]) + 4, x(line.lane), y(line.start));
  } else pen.moveTo(x(line.lane), y(Math.max(line.start, first - 1)));
  pen.lineTo(x(line.lane), y(end));
  pen.stroke();
}

/** A person's message is a ring, a model's a dot. @param {CanvasRenderingContext2D} pen @param {Layout} layout @param {number} node @param {Record<string, string>} colours */
function drawDot(pen, { tree, rows, lanes, shown }, node, colours) {
  const [left, top] = [x(lanes[node]), y(rows[node])];
  const colour = shown[node] ? colours.path : colours.quiet;
  pen.beginPath();
  pen.arc(left, top, DOT, 0, 2 * Math.PI);
  pen.fillStyle = tree.roles[node] === "assistant" ? colour : colours.paper;
  pen.fill();
  pen.lineWidth = 1.75;
  pen.strokeStyle = colour;
  pen.stroke();
}

/** The names of a row's checkpoints stand behind its last lane. @param {CanvasRenderingContext2D} pen @param {Layout} layout @param {number} row @param {Record<string, string>} colours */
function drawNames(pen, { tree, lanes, levels }, row, colours) {
  const names = levels[row].map((node) => tree.checkpoints[tree.ids[node]]).filter(Boolean);
  if (names.length) write(pen, names.join(" · "), x(Math.max(...levels[row].map((node) => lanes[node]))) + NAME_GAP, y(row), colours);
}

/** @param {CanvasRenderingContext2D} pen @param {string} name @param {number} left @param {number} top @param {Record<string, string>} colours */
function write(pen, name, left, top, colours) {
  pen.font = `600 12px ${colours.font}`;
  pen.textBaseline = "middle";
  pen.fillStyle = colours.paper;
  pen.fillRect(left - 3, top - 8, pen.measureText(name).width + 6, 16);
  pen.fillStyle = colours.ink;
  pen.fillText(name, left, top);
}

/** @param {CanvasRenderingContext2D} pen @param {Layout} layout @param {number} node @param {string} colour */
function ring(pen, { rows, lanes }, node, colour) {
  pen.beginPath();
  pen.arc(x(lanes[node]), y(rows[node]), DOT + 4, 0, 2 * Math.PI);
  pen.lineWidth = 2;
  pen.strokeStyle = colour;
  pen.stroke();
}
