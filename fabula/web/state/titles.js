// What a chat is called until somebody names it. Knows no chat.
// @ts-check

const TITLE_LENGTH = 60;
const PICTURE = /!\[[^\]\n]*\]\([^)\n]*\)/g;

/** The first words of a text. @param {string} text */
export function titleFor(text) {
  const words = text.replace(PICTURE, "").replace(/[*_`#>]+/g, "").trim().split(/\n|(?<=[.?!。？！])\s*/)[0];
  if (words.length <= TITLE_LENGTH) return words;
  return `${words.slice(0, TITLE_LENGTH).replace(/\s+\S*$/, "")}…`;
}
