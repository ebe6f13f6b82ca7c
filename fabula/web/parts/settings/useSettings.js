// The studio's settings as a part holds them: asked for again when the language changes. Knows no setting by name.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { language } from "../../texts.js";

/** @import { Setting } from "../../types.d.ts" */

export function useSettings() {
  const [settings, setSettings] = useState(/** @type {Setting[] | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const told = useRef(0); // what was asked for before the last change is older than it
  const saved = (/** @type {Setting[]} */ all) => ((told.current += 1), setSettings(all), setError(null));
  const load = () => {
    const question = (told.current += 1);
    return api.get("/settings").then(
      (got) => question === told.current && saved(got.settings),
      (failure) => question === told.current && setError(failure),
    );
  };
  useEffect(() => void load(), [language.value]);
  return { settings, saved, error, load };
}
