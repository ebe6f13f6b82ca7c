// Small wordings that several parts share: models in a line, sentences in a row. Knows no view.
// @ts-check
import { asBytes, language, t } from "../texts.js";

/** 134515008 → "135M parameters", 8190000000 → "8.2B parameters"; "" for what is too small. @param {number} number */
export function parametersOf(number) {
  if (number < 1e6) return "";
  const count = number < 1e9 ? `${Math.round(number / 1e6)}M` : `${(number / 1e9).toFixed(number < 1e10 ? 1 : 0)}B`;
  return t("web.model.parameters", { count });
}

/** Sentences one after the other: Chinese ones have no space between them. @param {string[]} sentences */
export const sentences = (sentences) => sentences.filter(Boolean).join(language.value.startsWith("zh") ? "" : " ");

/** @param {{parameters: number, quantization: string, size: number}} model */
export function modelNote({ parameters, quantization, size }) {
  return [parametersOf(parameters), quantization, size ? asBytes(size) : ""].filter(Boolean).join(" · ");
}
