// The one way to write markup: html`<div>…</div>`. Knows no view.
// @ts-check
import { h } from "preact";
import htm from "htm";

/**
 * htm would keep an element that never changes, and the tree that showed it first hangs on that: `this[0]` says that it does.
 * @this {number[]} @param {[any, any, ...any[]]} parts
 */
function fresh(...parts) {
  this[0] = 3;
  return h(...parts);
}

export const html = htm.bind(fresh);
