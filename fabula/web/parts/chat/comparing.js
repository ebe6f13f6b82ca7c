// Which two are compared side by side. Knows no chat.
// @ts-check
import { signal } from "@preact/signals";

/**
 * Two messages with what stands above them, by id; or two texts of one message.
 * @typedef {{left: string, right: string} | {message: import("../../types.d.ts").Message}} Comparing
 */

export const comparing = signal(/** @type {Comparing | null} */ (null));
