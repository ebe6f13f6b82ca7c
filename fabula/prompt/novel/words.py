"""What a co-writer is told beside the novel itself, in the novel's language. Knows no layout."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """`{text}` stands for a person's own words. `opening` asks for the text; the model's turn is the text."""

    opening: str
    title: str
    outline: str
    facts: str
    summary: str  # also with `{title}`
    chapter_outline: str
    notes: str
    chapter_notes: str
    lore: str
    recalled: str  # also with `{title}`
    behind: str
    instruction: str
    go_on: str
    rewrite: str
    expand: str
    only: str  # behind a passage that is rewritten


ENGLISH = Words(
    opening="Write the novel. Begin.",
    title="Title: {text}",
    outline="Outline of the novel:\n{text}",
    facts="What is true in this story:\n{text}",
    summary="What happened before, in “{title}”:\n{text}",
    chapter_outline="Outline of this chapter:\n{text}",
    notes="Notes for the writing:\n{text}",
    chapter_notes="Notes for this chapter:\n{text}",
    lore="Background:\n{text}",
    recalled="From “{title}”:\n{text}",
    behind="After the passage that you write now, the text goes on like this:\n{text}",
    instruction="What happens next: {text}",
    go_on="Go on from exactly where the text stops. Write nothing but the story.",
    rewrite="Rewrite this passage, which comes next in the text:\n\n{text}",
    expand="Tell this passage, which comes next in the text, at more length and in more detail:\n\n{text}",
    only="Answer with the new passage and nothing else.",
)
TRADITIONAL = Words(
    opening="請寫這部小說。開始。",
    title="書名：{text}",
    outline="全書大綱：\n{text}",
    facts="這個故事裡成立的事：\n{text}",
    summary="前情（「{title}」）：\n{text}",
    chapter_outline="本章大綱：\n{text}",
    notes="寫作備註：\n{text}",
    chapter_notes="本章備註：\n{text}",
    lore="背景：\n{text}",
    recalled="摘自「{title}」：\n{text}",
    behind="在你現在要寫的這一段之後，正文接著是：\n{text}",
    instruction="接下來發生的事：{text}",
    go_on="請從正文停下的地方接著寫，只寫故事本身。",
    rewrite="請改寫正文接下來的這一段：\n\n{text}",
    expand="請把正文接下來的這一段寫得更長、更細緻：\n\n{text}",
    only="只回覆新的段落，不要加上其他內容。",
)
SIMPLIFIED = Words(
    opening="请写这部小说。开始。",
    title="书名：{text}",
    outline="全书大纲：\n{text}",
    facts="这个故事里成立的事：\n{text}",
    summary="前情（“{title}”）：\n{text}",
    chapter_outline="本章大纲：\n{text}",
    notes="写作备注：\n{text}",
    chapter_notes="本章备注：\n{text}",
    lore="背景：\n{text}",
    recalled="摘自“{title}”：\n{text}",
    behind="在你现在要写的这一段之后，正文接着是：\n{text}",
    instruction="接下来发生的事：{text}",
    go_on="请从正文停下的地方接着写，只写故事本身。",
    rewrite="请改写正文接下来的这一段：\n\n{text}",
    expand="请把正文接下来的这一段写得更长、更细致：\n\n{text}",
    only="只回复新的段落，不要加上其他内容。",
)
BY_LANGUAGE = {"en": ENGLISH, "zh-Hant": TRADITIONAL, "zh-Hans": SIMPLIFIED}


def of(language: str) -> Words:
    return BY_LANGUAGE.get(language, ENGLISH)
