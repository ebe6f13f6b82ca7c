// A time as a person says it. Knows no view.
// @ts-check
import { language } from "../../texts.js";

/** @param {number} at Unix seconds */
export const moment = (at) => new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(at * 1000);
