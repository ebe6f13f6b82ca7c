// What is dropped anywhere in the chat room: chats and cards come in, pictures and texts go to the message that is being
// written. Knows neither.
// @ts-check
import { useLayoutEffect, useState } from "preact/hooks";
import { attach, isAttachable } from "../../state/attaching.js";
import { whenOpened } from "../../state/chat.js";
import { route } from "../../state/route.js";
import { t } from "../../texts.js";
import { asksForFiles } from "../ChatList.js";
import { html } from "../html.js";

/** @param {DragEvent} event */
const hasFiles = (event) => Boolean(event.dataTransfer?.types.includes("Files"));

/** A drop can be read only while it is told of. @param {DataTransfer} data */
const walked = (data) => [...data.items].map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);

/** @param {DataTransfer} data */
async function dropped(data) {
  const reads = walked(data);
  const { id } = route.value; // the chat that they were dropped on, which may be read by and by
  const { take, unfolded } = await import("../../state/importing.js");
  const files = await unfolded(reads);
  if (id && files.length && files.every(({ path, file }) => !path.includes("/") && isAttachable(file))) return (await whenOpened(id)) && attach(files.map(({ file }) => file));
  asksForFiles.value = true;
  return take(files);
}

export function Dropping() {
  const [over, setOver] = useState(false);
  useLayoutEffect(() => {
    let depth = 0; // elements that the pointer is in, each of which tells of it
    const enter = (/** @type {DragEvent} */ event) => hasFiles(event) && ((depth += 1), setOver(true));
    const leave = (/** @type {DragEvent} */ event) => hasFiles(event) && (depth -= 1) <= 0 && setOver(false);
    const stay = (/** @type {DragEvent} */ event) => hasFiles(event) && event.preventDefault();
    const drop = (/** @type {DragEvent} */ event) => {
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      dropped(event.dataTransfer);
    };
    const heard = /** @type {[string, any][]} */ ([["dragenter", enter], ["dragleave", leave], ["dragover", stay], ["drop", drop]]);
    heard.forEach(([kind, hear]) => addEventListener(kind, hear));
    return () => heard.forEach(([kind, hear]) => removeEventListener(kind, hear));
  }, []);
  return over && html`<div class="dropping" aria-hidden="true">${t(route.value.id ? "web.import.drop_attach" : "web.import.drop")}</div>`;
}
