// The studio's settings as a part holds them: asked for again when the language changes. Knows no setting by name.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { language } from "../../texts.js";

/** @import { Setting } from "../../types.d.ts" */

export function useSettings() {
  const [settings, saved] = useState(/** @type {Setting[] | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const load = () => api.get("/settings").then((got) => (saved(got.settings), setError(null)), setError);
  useEffect(() => void load(), [language.value]);
  return { settings, saved, error, load };
}
