// A model taken off the shelf: hidden at once, gone when nobody has taken it back. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { go } from "./route.js";
import { loadSystem } from "./system.js";
import { tell, tellError } from "./toasts.js";

const REGRET_MS = 8000; // as long as the notice stands; its files are there until then

/** Names that are not shown any more. */
export const leaving = signal(/** @type {string[]} */ ([]));

/** @param {{name: string, place: string, size: number}} model */
export function removeModel({ name, place }) {
  leaving.value = [...leaving.value, name];
  const stay = () => (leaving.value = leaving.value.filter((other) => other !== name));
  const timer = setTimeout(async () => {
    await api.remove(`/models/${encodeURIComponent(name)}`).then(loadSystem).catch(tellError);
    stay();
  }, REGRET_MS);
  tell(t(place ? "web.models.forgotten" : "web.models.removed", { name }), { action: { label: t("web.undo"), run: () => (clearTimeout(timer), stay()) } });
  go("#/models");
}
