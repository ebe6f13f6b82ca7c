"""The app fills in sentences exactly as the command line does."""

from __future__ import annotations

import pytest

from fabula.core import texts

CASES = [
    ("bytes", [0, 1, 1023, 1024, 1088, 1536, 2_359_296, 9_771_050_598, 3 * 2**40, 5000 * 2**40]),
    ("number", [0, 7, 999, 1000, 1234567, -4321, 1234.5]),
    ("decimal", [0, 0.25, 0.35, 0.45, 0.75, 34.25, 1234.56, 1e6]),
    ("percent", [0, 0.005, 0.015, 0.125, 0.5, 1, 1.234]),
    ("duration", [0, 0.04, 0.25, 9.94, 9.96, 12.5, 59.4, 60, 75, 3599.5, 3600, 3700, 90000]),
]
FORMAT = "({ FORMATS }, [style, values]) => values.map((value) => FORMATS[style](value))"
CHOOSE = "({ chooseLanguage }, tags) => tags.map((tag) => chooseLanguage([tag]))"


async def in_texts_js(page, function: str, argument: object) -> object:
    """What a function makes of the app's own module `texts.js`."""
    path = await page.locator("script[type=module]").get_attribute("src")
    script = f"async ([path, argument]) => ({function})(await import(new URL(path, location.href)), argument)"
    return await page.evaluate(script, [path.replace("app.js", "texts.js"), argument])


@pytest.mark.parametrize(("style", "values"), CASES, ids=[style for style, _ in CASES])
async def test_formats_agree_with_python(open_page, style, values):
    shown = await in_texts_js(await open_page(), FORMAT, [style, values])
    assert shown == [texts.FORMATS[style](value) for value in values]


async def test_languages_agree_with_python(open_page):
    tags = ["zh-TW", "zh-HK", "zh-MO", "zh-Hant-CN", "zh", "zh-CN", "zh-Hans-TW", "en-US", "de-DE"]
    chosen = await in_texts_js(await open_page(), CHOOSE, tags)
    assert chosen == [texts.choose_language(tag) for tag in tags]
