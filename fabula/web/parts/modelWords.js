// How a model is named and described in a line. Knows no view.
// @ts-check
import { asBytes, t } from "../texts.js";

/** 134515008 → "135M", 8190000000 → "8.2B": the field's way to write it. @param {number} count */
export function parametersOf(count) {
  if (count >= 1e9) return `${(count / 1e9).toFixed(count < 1e10 ? 1 : 0)}B`;
  return count >= 1e6 ? `${Math.round(count / 1e6)}M` : "";
}

/** @param {{parameters: number, quantization: string, size: number}} model */
export function modelNote({ parameters, quantization, size }) {
  const words = parameters ? t("web.model.parameters", { count: parametersOf(parameters) }) : "";
  return [words, quantization, asBytes(size)].filter(Boolean).join(" · ");
}
