// What a person finds at home beside the machine: models that suit it, and the novels. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";

/** @import { Advised } from "../types.d.ts" */

const CONTEXT = 8192;

/** Best first; null until it is known. */
export const picks = signal(/** @type {Advised[] | null} */ (null));
/** The one that was written last first. */
export const novels = signal(/** @type {{id: string, title: string, updated_at: number}[] | null} */ (null));

/** What cannot be had is left out: home is there without it. */
export async function loadWork() {
  const [advice, books] = await Promise.all([
    api.post("/recommend", { task: "chat", context: CONTEXT }).catch(() => null),
    api.get("/novels").catch(() => null),
  ]);
  if (advice) picks.value = advice.best;
  if (books) novels.value = [...books.novels].sort((a, b) => b.updated_at - a.updated_at);
}
