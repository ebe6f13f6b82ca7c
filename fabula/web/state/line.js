// Changes that wait for each other, and those that are made once, for those who know no route. Knows no route itself.
// @ts-check
export { newLine, once } from "../api.js";
