// Changes that wait for each other, for those who know no route. Knows no route itself.
// @ts-check
export { newLine } from "../api.js";
