// How well words fit what was typed. Knows no list.
// @ts-check

const START = 8; // a letter that begins a word
const NEXT = 5; // a letter right after the one before
const WHOLE = 30; // the typed word as it stands
const NONE = -1;

const BREAK = /[\s\-_/·.,:，、：「」（）]/;

/** @param {string} text */
const wordsOf = (text) => text.toLocaleLowerCase().split(BREAK).filter(Boolean).join(" ");

export const EXACT = 3;

/** How a name answers to what was typed: 3 it is that, 2 it begins so, 1 its words do, 0 else. @param {string} typed @param {string} name */
export function closeness(typed, name) {
  const [asked, text] = [wordsOf(typed), wordsOf(name)];
  if (!asked || !text) return 0;
  if (text === asked) return EXACT;
  if (text.startsWith(asked)) return 2;
  return asked.split(" ").every((word) => ` ${text}`.includes(` ${word}`)) ? 1 : 0;
}

/** Every typed word has to be there, its letters in their order. Higher is better, −1 is no fit. @param {string} typed @param {string} words */
export function fit(typed, words) {
  const text = words.toLocaleLowerCase();
  const scores = typed.toLocaleLowerCase().split(/\s+/).filter(Boolean).map((word) => fitWord(word, text));
  return scores.includes(NONE) ? NONE : scores.reduce((sum, score) => sum + score, 0);
}

/** @param {string} word @param {string} text */
function fitWord(word, text) {
  const place = text.indexOf(word);
  if (place >= 0) return WHOLE + word.length * NEXT + (isStart(text, place) ? START : 0) - place / 100;
  const jumping = scattered(word, text, nextPlace);
  return jumping > NONE ? jumping : scattered(word, text, (text, letter, from) => text.indexOf(letter, from));
}

/** @param {string} word @param {string} text @param {typeof nextPlace} next */
function scattered(word, text, next) {
  let [score, last] = [0, -1];
  for (const letter of word) {
    const place = next(text, letter, last + 1);
    if (place < 0) return NONE;
    score += place === last + 1 ? NEXT : isStart(text, place) ? START : 0;
    last = place;
  }
  return Math.max(0, score - last / 100);
}

/** The next beginning of a word with that letter, else the next place. @param {string} text @param {string} letter @param {number} from */
function nextPlace(text, letter, from) {
  const first = text.indexOf(letter, from);
  if (first === from) return first;
  for (let place = first; place >= 0; place = text.indexOf(letter, place + 1)) if (isStart(text, place)) return place;
  return first;
}

/** @param {string} text @param {number} place */
const isStart = (text, place) => place === 0 || BREAK.test(text[place - 1]);
