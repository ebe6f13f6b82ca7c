// What other windows do to the open chat: it is read again. Knows the open chat and the news.
// @ts-check
import { catchUp, chatChanged } from "./chat.js";
import { listenFor } from "./events.js";

listenFor("chat", chatChanged);
// Also at the first time: what happened between the first reading and this moment was announced to nobody.
listenFor("open", () => catchUp(true));
