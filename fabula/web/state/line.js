// Changes that wait for each other: leaving a field by a click on another one makes two at once, and the second must
// know the revision that the first brought. Knows no route.
// @ts-check

/** A line of its own: what is handed to it is done one after the other. */
export function newLine() {
  let last = Promise.resolve(/** @type {any} */ (null));
  return (/** @type {() => Promise<any>} */ work) => (last = last.then(work, work));
}
