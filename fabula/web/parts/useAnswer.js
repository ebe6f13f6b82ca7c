// What the studio answers to a question that a part of a page asks. Knows no route.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import { listenFor } from "../state/events.js";

/**
 * Asked again whenever one of `about` changes, and by `again`. Only the answer to the last question is told, in whatever
 * order they come; a failure leaves what was told before, and is asked again when the studio is heard again.
 * @template Told @param {() => Promise<Told>} ask @param {any[]} about
 */
export function useAnswer(ask, about) {
  const [told, setTold] = useState(/** @type {Told | null} */ (null));
  const [failure, setFailure] = useState(/** @type {Error | null} */ (null));
  const asked = useRef(0);
  const failed = useRef(() => {});
  const again = async () => {
    const question = (asked.current += 1);
    try {
      const answer = await ask();
      if (question === asked.current) (setTold(answer), setFailure(null));
    } catch (error) {
      if (question === asked.current) setFailure(/** @type {Error} */ (error));
    }
  };
  useEffect(() => {
    again();
    return () => void (asked.current += 1);
  }, about);
  failed.current = failure ? again : () => {};
  useEffect(() => listenFor("open", () => failed.current()), []);
  return { told, failure, again };
}
