// The one way to write markup: html`<div>…</div>`. Knows no view.
// @ts-check
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
