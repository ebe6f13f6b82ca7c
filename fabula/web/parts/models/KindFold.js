// A kind of work under its title, unfolded into its form. Knows no kind.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { kindOf, loadKinds } from "../../state/jobs.js";
import { language } from "../../texts.js";
import { html } from "../html.js";
import { JobForm } from "../jobs/JobForm.js";

/** Nothing where the studio knows no such kind. @param {{kind: string, given?: Record<string, any>, isOpen?: boolean}} props */
export function KindFold({ kind, given = {}, isOpen = false }) {
  const [open, setOpen] = useState(isOpen);
  useEffect(() => void loadKinds(), [language.value]);
  const form = kindOf(kind);
  if (!form) return null;
  return html`<details class="kind" open=${open} onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary>${form.title}</summary>
    ${open && html`<${JobForm} key=${JSON.stringify(given)} kind=${form} given=${given} />`}
  </details>`;
}
