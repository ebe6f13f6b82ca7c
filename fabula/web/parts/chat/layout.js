// Where the messages of a tree stand on its map: time downwards, one lane for each line of messages. Knows no screen.
// @ts-check

/** @import { Outline } from "../../types.d.ts" */

/**
 * A line of messages without a turning: each goes on the one before.
 * @typedef {{nodes: number[], lane: number, start: number, end: number, from: number}} Line `from` is the message that
 *   it leaves, -1 = none; `start` and `end` are rows
 */

/**
 * @typedef {object} Layout
 * @property {Outline} tree
 * @property {number[]} rows of each message
 * @property {number[]} lanes of each message
 * @property {boolean[]} shown whether a message is on the shown path
 * @property {number[][]} children
 * @property {number[]} heirs the child in the same lane, -1 = none
 * @property {number[][]} levels the messages of each row
 * @property {Line[]} lines
 * @property {number} width lanes
 * @property {number} head the last shown message, -1 = none
 */

/** The shown path stands in the first lane; every other line in the first one that is free below it. @param {Outline} tree @returns {Layout} */
export function layOut(tree) {
  const { ids, parents } = tree;
  const children = ids.map(() => /** @type {number[]} */ ([]));
  const rows = ids.map(() => 0);
  parents.forEach((parent, node) => parent >= 0 && (children[parent].push(node), (rows[node] = rows[parent] + 1)));
  const levels = /** @type {number[][]} */ ([]);
  rows.forEach((row, node) => (levels[row] ??= []).push(node));
  const head = ids.indexOf(tree.head_id);
  const shown = pathTo(head, parents);
  const heirs = heirsOf(children, shown);
  const lines = linesOf(tree, heirs, rows, shown);
  const lanes = ids.map(() => 0);
  lines.forEach(({ nodes, lane }) => nodes.forEach((node) => (lanes[node] = lane)));
  const width = lines.reduce((most, { lane }) => Math.max(most, lane + 1), 0);
  return { tree, rows, lanes, shown, children, heirs, levels, lines, width, head };
}

/** @param {number} head @param {number[]} parents */
function pathTo(head, parents) {
  const shown = parents.map(() => false);
  for (let node = head; node >= 0; node = parents[node]) shown[node] = true;
  return shown;
}

/** The child that goes on in the lane: the shown one, else the one with the most below it. @param {number[][]} children @param {boolean[]} shown */
function heirsOf(children, shown) {
  const heights = children.map(() => 0);
  const heirs = children.map(() => -1);
  for (let node = children.length - 1; node >= 0; node -= 1) {
    for (const child of children[node]) {
      const better = heirs[node] < 0 || shown[child] || (!shown[heirs[node]] && heights[child] > heights[heirs[node]]);
      if (better) heirs[node] = child;
      heights[node] = Math.max(heights[node], heights[child] + 1);
    }
  }
  return heirs;
}

/** @param {Outline} tree @param {number[]} heirs @param {number[]} rows @param {boolean[]} shown @returns {Line[]} */
function linesOf({ ids, parents }, heirs, rows, shown) {
  const begins = ids.map((_, node) => node).filter((node) => parents[node] < 0 || heirs[parents[node]] !== node);
  begins.sort((one, other) => Number(shown[other]) - Number(shown[one]));
  const ends = /** @type {number[]} */ ([]); // the last row that each lane is taken to
  return begins.map((begin) => {
    const nodes = [];
    for (let node = begin; node >= 0; node = heirs[node]) nodes.push(node);
    const [start, end] = [rows[begin], rows[/** @type {number} */ (nodes.at(-1))]];
    let lane = ends.findIndex((last) => last < start);
    if (lane < 0) lane = ends.length;
    ends[lane] = end;
    return { nodes, lane, start, end, from: parents[begin] };
  });
}

const WAYS = /** @type {Record<string, string>} */ ({ ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right", Home: "first", End: "last" });

/** Where a key leads from a message; -1 = nowhere. @param {Layout} layout @param {number} node @param {string} key */
export function step(layout, node, key) {
  const { tree, heirs } = layout;
  const way = WAYS[key];
  if (way === "up") return tree.parents[node];
  if (way === "down") return heirs[node];
  if (way === "left" || way === "right") return beside(layout, node, way === "left" ? -1 : 1);
  if (way === "first") return farthest(node, (at) => tree.parents[at]);
  return way === "last" ? farthest(node, (at) => heirs[at]) : -1;
}

/** @param {number} node @param {(node: number) => number} next */
function farthest(node, next) {
  let at = node;
  while (next(at) >= 0) at = next(at);
  return at;
}

/** The message in the same row, in the next lane that has one. @param {Layout} layout @param {number} node @param {number} way */
function beside({ levels, rows, lanes }, node, way) {
  const others = levels[rows[node]].filter((other) => (lanes[other] - lanes[node]) * way > 0);
  return others.reduce((best, other) => (best < 0 || (lanes[best] - lanes[other]) * way > 0 ? other : best), -1);
}
