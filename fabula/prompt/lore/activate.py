"""Which entries a turn brings in. Knows no layout: where they stand is `placing`'s.

The passes are SillyTavern's: the chat is searched; then, while it is wanted, what was found is searched
(recursion), the search reaches further back (minimum activations), or entries that waited get their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from fabula.prompt.lore.buffer import Buffer
from fabula.prompt.lore.candidates import Candidates
from fabula.prompt.lore.decorators import NO_RULES
from fabula.prompt.lore.entry import Entry, Logic, Source
from fabula.prompt.lore.groups import Contest
from fabula.prompt.lore.settings import LoreSettings, Strategy
from fabula.prompt.lore.timed import Timers, Timing
from fabula.prompt.lore.why import Reason, Verdict
from fabula.prompt.macros.chance import Draw
from fabula.prompt.plan import CountTable, NeedCounts

FIRES = frozenset({"constant", "key", "sticky", "decorator", "external", "kept"})
Pass = Literal["", "first", "recursion", "further"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a turn is made of, for lore.

    `messages` are told newest first, as "Name: text" where names count; `injected` are other texts that are
    searched. `trigger` is the kind of turn ("normal", "continue", …), `character` the file name of the card
    without its ending, `tags` its tags (None where that is unknown). `resolve` replaces macros.
    """

    messages: Sequence[str]
    budget: int  # tokens
    settings: LoreSettings = field(default_factory=LoreSettings)
    sources: Mapping[Source, str] = field(default_factory=dict)
    injected: Sequence[str] = ()
    trigger: str = "normal"
    character: str = ""
    tags: frozenset[str] | None = None
    forced: frozenset[str] = frozenset()  # ids of entries that something else found, like vectors
    length: int | None = None  # messages of the chat, where not all of them are in `messages`
    resolve: Callable[[str], str] = str
    dry: bool = False
    replies: int = 0  # what the character has said so far; greetings count
    greeting: int | None = None  # index of the one that the chat began with, None where that is unknown
    icon: str | None = None  # name of the person's picture among the card's, None where there is none
    full: bool = False  # not all of the chat fits any more


@dataclass(frozen=True, slots=True)
class Activation:
    """The entries that are in, in the order in which they were found, content resolved; the verdict on every
    entry, in list order; the timers afterwards; whether the budget was full."""

    entries: tuple[Entry, ...]
    verdicts: tuple[Verdict, ...]
    timers: Timers
    overflowed: bool = False
    tokens: int = 0


def ordered(
    strategy: int,
    *,
    everywhere: Sequence[Entry] = (),
    character: Sequence[Entry] = (),
    chat: Sequence[Entry] = (),
    persona: Sequence[Entry] = (),
) -> list[Entry]:
    """All entries in the order in which they get the budget: the chat's, the persona's, then by strategy."""

    def by_order(entries: Sequence[Entry]) -> list[Entry]:
        return sorted(entries, key=lambda entry: -entry.order)

    others = by_order([*everywhere, *character])
    if strategy == Strategy.CHARACTER_FIRST:
        others = [*by_order(character), *by_order(everywhere)]
    elif strategy == Strategy.GLOBAL_FIRST:
        others = [*by_order(everywhere), *by_order(character)]
    return [*by_order(chat), *by_order(persona), *others]


def activate(
    entries: Sequence[Entry], occasion: Occasion, timers: Timers, counts: CountTable, draw: Draw
) -> Activation | NeedCounts:
    """The entries of this turn, or the texts that must be counted first.

    `entries` are in the order of `ordered`. The same `draw` must give the same numbers when called again
    after NeedCounts.
    """
    length = len(occasion.messages) if occasion.length is None else occasion.length
    timing = Timing.checked(timers, entries, length, dry=occasion.dry)
    scan = _Scan(entries, occasion, timing, counts, draw)
    scan.run()
    if scan.missing:
        return NeedCounts(tuple(dict.fromkeys(scan.missing)))
    found = tuple(scan.activated.values())
    state = timers if occasion.dry else timing.after(found)
    return Activation(found, tuple(scan.verdicts()), state, scan.overflowed, scan.spent)


class _Scan:
    def __init__(
        self, entries: Sequence[Entry], occasion: Occasion, timing: Timing, counts: CountTable, draw: Draw
    ):
        self._entries, self._occasion, self._timing = entries, occasion, timing
        self._settings = occasion.settings
        self._buffer = Buffer(self._settings, occasion.messages, occasion.sources, occasion.injected)
        self._counts, self._draw = counts, draw
        self._candidates = Candidates(entries, occasion.settings)
        self._fresh: dict[tuple[int, int], frozenset[int]] = {}
        self._place = {id(entry): index for index, entry in enumerate(entries)}
        self._places = frozenset(range(len(entries)))
        self._plain = self._by_keys_only()
        self._asleep: set[int] = set()  # places of entries of which no key stands in what was searched so far
        self._searched = 0  # texts of recursion, when the last pass ended
        self._why: dict[int, Verdict] = {}
        self._failed: set[int] = set()
        self._keys: dict[int, str] = {}
        levels = sorted({entry.waits for entry in entries if entry.waits})
        self._level = levels[0] if levels else 0
        self._levels = levels[1:]
        self._step = 0
        self._found_tokens = 0  # of the text that recursion has searched so far
        self.activated: dict[str, Entry] = {}
        self.missing: list[str] = []
        self.overflowed = False
        self.spent = 0

    def run(self) -> None:
        state: Pass = "first" if self._entries else ""
        while state and not self.missing:
            limit = self._settings.max_recursion_steps
            if limit and limit <= self._step:
                break
            self._step += 1
            state = self._next(state, self._pass(state))

    def verdicts(self) -> list[Verdict]:
        why = self._why
        return [
            why.get(place) or Verdict(entry, False, "not_reached")
            for place, entry in enumerate(self._entries)
        ]

    # ── one pass ────────────────────────────────────────────────────────────────────────────────────────

    def _pass(self, state: Pass) -> list[Entry]:
        """The entries of this pass whose probability held, whether or not they fitted."""
        candidates = [entry for entry in self._awake(state) if self._wants(entry, state)]
        self._searched = len(self._buffer.recursed)
        candidates.sort(key=lambda entry: not self._timing.is_sticky(entry))
        contest = Contest(list(candidates), self._buffer, self._timing, self._draw, state != "further")
        contest.settle(self.activated.values())
        remaining = {id(entry) for entry in contest.left}
        for entry in candidates:
            if id(entry) not in remaining:
                self._note(entry, "group")
        return self._admit(contest.left)

    def _wants(self, entry: Entry, state: Pass) -> bool:
        place = self._place[id(entry)]
        if entry.id in self.activated or place in self._failed:
            return False
        reason, key = self._judged(entry, state)
        if reason == "key_missing":
            self._asleep.add(place)
        fires = reason in FIRES
        if fires:
            self._keys[place] = key
        self._note(entry, reason, fired=fires, key=key)
        return fires

    def _awake(self, state: Pass) -> list[Entry]:
        """The entries that need a look of their own: of the others no key stands in what is searched now."""
        if state == "recursion":
            self._asleep -= self._added(self._searched)
        else:
            self._asleep = self._plain.difference(self._candidates.within(self._buffer.chat), self._keys)
            for place in self._asleep:
                self._why[place] = Verdict(self._entries[place], False, "key_missing", "", self._step)
        return [self._entries[place] for place in sorted(self._places - self._asleep)]

    def _by_keys_only(self) -> set[int]:
        """Places of the entries that nothing else brings in or keeps out, as most entries are."""
        forced, lasting = self._occasion.forced, self._timing.lasting
        return {
            place
            for place, entry in enumerate(self._entries)
            if entry.is_plain and entry.mark not in lasting and not (forced and entry.id in forced)
        }

    def _added(self, first: int) -> frozenset[int]:
        """The entries of which a key may stand in what recursion has added from the text `first` on.

        Each text is searched once: no key reaches over the line between two.
        """
        until = len(self._buffer.recursed)
        if (first, until) not in self._fresh:
            found = (self._candidates.within(text) for text in self._buffer.recursed[first:])
            self._fresh[first, until] = frozenset().union(*found)
        return self._fresh[first, until]

    def _judged(self, entry: Entry, state: Pass) -> tuple[Reason, str]:
        reason = self._barred(entry)
        if reason is None and entry.rules is not NO_RULES:
            reason = self._ruled(entry, state)
        reason = reason or self._timed_out(entry, state) or self._switched(entry)
        return (reason, "") if reason else self._by_keys(entry, state)

    def _barred(self, entry: Entry) -> Reason | None:
        occasion = self._occasion
        if entry.disabled:
            return "disabled"
        if entry.triggers and occasion.trigger not in entry.triggers:
            return "trigger"
        if entry.characters and (occasion.character in entry.characters) == entry.excludes:
            return "character"
        if entry.tags and occasion.tags is not None and bool(occasion.tags & entry.tags) == entry.excludes:
            return "tag"
        return None

    def _ruled(self, entry: Entry, state: Pass) -> Reason | None:
        """What decorators decide before anything else is looked at."""
        rules, occasion = entry.rules, self._occasion
        if rules.activates:
            return "decorator"
        if rules.never:
            return "switched_off"
        if self._timing.was_told(entry):
            return "kept" if rules.keeps else "told_before"
        if occasion.replies < (rules.after or 0):
            return "too_early"
        if rules.every and occasion.replies % rules.every:
            return "not_this_turn"
        if rules.greeting is not None and occasion.greeting not in (None, rules.greeting):
            return "other_greeting"
        if rules.icon is not None and occasion.icon not in (None, rules.icon):
            return "other_icon"
        if rules.not_when_full and occasion.full:
            return "context_full"
        return self._ruled_by_keys(entry, state)

    def _ruled_by_keys(self, entry: Entry, state: Pass) -> Reason | None:
        rules = entry.rules
        if not (rules.additional or rules.excluded):
            return None
        text = self._buffer.text(entry, state != "further")
        if rules.additional and not any(self._stands(text, key, entry) for key in rules.additional):
            return "additional_keys"
        if not entry.use_regex and any(self._stands(text, key, entry) for key in rules.excluded):
            return "excluded_key"
        return None

    def _timed_out(self, entry: Entry, state: Pass) -> Reason | None:
        if self._timing.is_delayed(entry):
            return "delay"
        if self._timing.is_sticky(entry):
            return None
        if self._timing.is_cooling(entry):
            return "cooldown"
        if entry.waits and (state != "recursion" or entry.waits > self._level):
            return "waits_for_recursion"
        if state == "recursion" and self._settings.recursive and entry.deaf_to_recursion:
            return "deaf_to_recursion"
        return None

    def _switched(self, entry: Entry) -> Reason | None:
        if "@@activate" in entry.decorators:
            return "decorator"
        if "@@dont_activate" in entry.decorators:
            return "switched_off"
        if entry.id in self._occasion.forced:
            return "external"
        if entry.constant:
            return "constant"
        if self._timing.is_sticky(entry):
            return "sticky"
        return None if entry.keys else "no_keys"

    def _by_keys(self, entry: Entry, state: Pass) -> tuple[Reason, str]:
        text = self._buffer.text(entry, state != "further")
        place, own = self._place[id(entry)], self._buffer.text(entry, False)
        if place not in self._candidates.within(own) and (text is own or place not in self._added(0)):
            return "key_missing", ""
        key = next((key for key in entry.keys if self._stands(text, key, entry)), None)
        if key is None:
            slow = any(key in self._buffer.slow for key in entry.keys)
            return ("slow_key" if slow else "key_missing"), ""
        if not entry.selective or not entry.secondary or self._secondary(text, entry):
            return "key", key
        return "secondary_keys", key

    def _stands(self, text: str, key: str, entry: Entry) -> bool:
        if "{" in key or "<" in key or "\\" in key:
            key = self._occasion.resolve(key)
        return bool(key) and self._buffer.finds(text, key.strip(), entry)

    def _secondary(self, text: str, entry: Entry) -> bool:
        stands = (self._stands(text, key, entry) for key in entry.secondary)
        if entry.logic == Logic.ANY:
            return any(stands)
        if entry.logic == Logic.NOT_ALL:
            return not all(stands)
        if entry.logic == Logic.NOT_ANY:
            return not any(stands)
        return entry.logic == Logic.ALL and all(stands)

    # ── probability and budget ──────────────────────────────────────────────────────────────────────────

    def _admit(self, entries: Sequence[Entry]) -> list[Entry]:
        resolved = [self._resolved(entry) for entry in entries]
        self.missing += [text for entry in resolved if (text := _piece(entry)) not in self._counts]
        if self.missing:
            return []
        used = 0
        passed: list[Entry] = []
        free = sum(entry.ignores_budget for entry in entries)
        for index, (original, entry) in enumerate(zip(entries, resolved, strict=True)):
            free -= entry.ignores_budget
            if self.overflowed and not entry.ignores_budget:
                self._note(original, "budget", tokens=self._counts[_piece(entry)])
                passed.append(original)
                if not free:
                    self._stopped(entries[index + 1 :])
                    passed += entries[index + 1 :]
                    break
                continue
            if not self._luck(original):
                continue
            passed.append(entry)
            cost = self._counts[_piece(entry)]
            used += cost
            self._fit(original, entry, used, cost)
        return passed

    def _resolved(self, entry: Entry) -> Entry:
        content = self._occasion.resolve(entry.content)
        found = entry if content == entry.content else replace(entry, content=content)
        if entry.rules.placed == "reverse_depth":
            depth = self._timing.length - (entry.rules.reverse_depth or 0)
            found = replace(found, depth=max(depth, 0))
        return found

    def _stopped(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._note(entry, "budget")

    def _luck(self, entry: Entry) -> bool:
        if not entry.uses_probability or entry.probability == 100 or self._timing.is_sticky(entry):
            return True
        if self._draw() * 100 <= entry.probability:
            return True
        self._failed.add(self._place[id(entry)])
        self._note(entry, "probability")
        return False

    def _fit(self, original: Entry, entry: Entry, used: int, cost: int) -> None:
        if self._found_tokens + used >= self._occasion.budget and not entry.ignores_budget:
            self.overflowed = True
            self._note(original, "budget", tokens=cost)
            return
        self.activated[entry.id] = entry
        self.spent += cost
        reason = self._why[self._place[id(original)]].reason
        self._note(original, reason, fired=True, tokens=cost)

    # ── and then ────────────────────────────────────────────────────────────────────────────────────────

    def _next(self, state: Pass, passed: Sequence[Entry]) -> Pass:
        telling = [entry for entry in passed if not entry.starts_no_recursion]
        following = self._following(state, telling)
        text = "\n".join(entry.content for entry in telling)
        if following and text and not self.missing:
            self._buffer.recursed.append(text)
            self._found_tokens += sum(self._counts.get(_piece(entry), 0) for entry in telling)
        return following

    def _following(self, state: Pass, telling: Collection[Entry]) -> Pass:
        recursive = self._settings.recursive and not self.overflowed
        if recursive and (telling or (state == "further" and self._buffer.recursed)):
            return "recursion"
        if not self.overflowed and len(self.activated) < self._settings.min_activations and self._reaches():
            self._buffer.skew += 1
            return "further"
        if self._levels:
            self._level = self._levels.pop(0)
            return "recursion"
        return ""

    def _reaches(self) -> bool:
        """Whether the search may go one message further back."""
        depth, most = self._buffer.depth, self._settings.min_activations_depth
        return not (0 < most < depth) and depth <= len(self._occasion.messages)

    def _note(
        self, entry: Entry, reason: Reason, *, fired: bool = False, key: str = "", tokens: int = 0
    ) -> None:
        place = self._place[id(entry)]
        key = key or self._keys.get(place, "")
        self._why[place] = Verdict(entry, fired, reason, key, self._step, tokens)


def _piece(entry: Entry) -> str:
    """What an entry adds to the text that is counted. Counted alone: the sum stands for the whole."""
    return entry.content.lstrip() + "\n"
