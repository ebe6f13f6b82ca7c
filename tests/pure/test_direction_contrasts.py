"""Sets of prompts: those that ship, and people's own in the files that they have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fabula.core.errors import BadParameter, PromptsUnusable
from fabula.core.model import LocalModel
from fabula.lab.directions import contrasts
from fabula.lab.directions.contrasts import contrast, read
from fabula.lab.directions.recipe import Recipe, dump, load
from fabula.lab.directions.saying import texts

PROMPTS = [
    f"Tell me about {thing}."
    for thing in ["apples", "bread", "clouds", "doors", "eggs", "ferns", "gates", "hats"]
]


@pytest.mark.parametrize("name", contrasts.names())
def test_sets_that_ship_have_64_prompts_and_more_on_each_side_none_of_them_twice(name: str) -> None:
    found = contrast(name)
    sides = (found.positive, found.negative)
    assert all(len(side.all) >= 64 and len(side.held) >= 20 for side in sides)
    assert len({json.dumps(prompt) for prompt in found.prompts}) == len(found.prompts)


def test_what_is_held_out_is_of_other_topics() -> None:
    found = contrast("formal-casual")
    learned = " ".join(message["content"] for prompt in found.positive.learn for message in prompt)
    assert "a walk along the harbour" in learned
    assert "an old oak tree" not in learned
    assert "an old oak tree" in found.positive.held[-1][0]["content"]


def test_the_poles_may_be_named_the_other_way_round() -> None:
    one, other = contrast("cheerful-gloomy"), contrast("gloomy-cheerful")
    assert (one.positive, one.negative) == (other.negative, other.positive)
    assert one.digest() != other.digest()


def test_a_set_that_does_not_ship_is_told_with_those_that_do() -> None:
    with pytest.raises(PromptsUnusable, match="formal-casual, rich-terse"):
        contrast("nice-nasty")


def test_less_of_a_set_keeps_a_third_held_out() -> None:
    found = contrast("rich-terse", limit=12)
    assert (len(found.positive.learn), len(found.positive.held)) == (8, 4)


# ── own sets ────────────────────────────────────────────────────────────────────────────────────────

FILES = {
    "a.txt": "\n\n".join(PROMPTS),
    "a.jsonl": "\n".join(json.dumps({"id": 1, "prompt": text}) for text in PROMPTS),
    "b.jsonl": "\n".join(json.dumps(text) for text in PROMPTS),
    "c.jsonl": "\n".join(json.dumps({"messages": [{"role": "user", "content": text}]}) for text in PROMPTS),
    "a.json": json.dumps({"rows": [{"instruction": text} for text in PROMPTS]}),
    "a.csv": "question\n" + "\n".join(PROMPTS),
    "a.tsv": "n\ttext\n" + "\n".join(f"1\t{text}" for text in PROMPTS),
}


@pytest.mark.parametrize("name", FILES)
def test_prompts_are_read_from_files_of_many_kinds(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    assert [prompt[0]["content"] for prompt in read(str(tmp_path / name))] == PROMPTS


def test_a_folder_is_read_as_a_dataset_of_which_the_training_part_counts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("About this dataset", encoding="utf-8")
    for part, prompts in (("train", PROMPTS), ("test", ["Leave me out."])):
        rows = "\n".join(json.dumps({"goal": text, "other": 1}) for text in prompts)
        (tmp_path / "data" / f"{part}-00000.jsonl").write_text(rows, encoding="utf-8")
    assert len(read(str(tmp_path), "goal")) == len(PROMPTS)


def test_parquet_is_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs lab: pyarrow is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": PROMPTS}), tmp_path / "train.parquet")
    assert [prompt[0]["content"] for prompt in read(str(tmp_path))] == PROMPTS


def test_own_sets_are_mixed_so_that_what_is_held_out_is_no_end_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(PROMPTS), encoding="utf-8")
    (tmp_path / "b.txt").write_text("\n".join(f"{text} Briefly." for text in PROMPTS), encoding="utf-8")
    found = contrast(str(tmp_path / "a.txt"), str(tmp_path / "b.txt"))
    assert len(found.positive.held) == 2
    assert sorted(prompt[0]["content"] for prompt in found.positive.all) == sorted(PROMPTS)
    assert contrast(str(tmp_path / "a.txt"), str(tmp_path / "b.txt")).digest() == found.digest()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("few.txt", "one\ntwo", "It has 2 prompts; at least 8"),
        ("bad.jsonl", "{", "bad.jsonl cannot be read"),
        ("odd.jsonl", '{"x": 1}', "no prompt in the column –; it has: x"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(name: str, text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(PromptsUnusable, match=told):
        read(str(tmp_path / name))


# ── recipes, and prompts as texts ───────────────────────────────────────────────────────────────────


def test_a_recipe_that_was_written_down_means_the_same_again(tmp_path: Path) -> None:
    recipe = Recipe(model="tiny", positive="formal-casual", winsor=0.99, threads=3)
    dump(tmp_path / "r.yaml", "direction", recipe.decided)
    again = Recipe.of(load(tmp_path / "r.yaml"))
    assert again.hash == recipe.hash  # how many threads work decides nothing
    assert f"hash: {recipe.hash}" in (tmp_path / "r.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("position", "-0"),
        ("position", "first"),
        ("project", "thrice"),
        ("winsor", 0.1),
        ("limit", "x"),
        ("no", 1),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(field: str, value: object) -> None:
    with pytest.raises(BadParameter, match=field):
        Recipe.of({"model": "tiny", "positive": "formal-casual", field: value})


def test_prompts_get_the_models_template_and_leave_the_first_token_to_the_tokenizer(tmp_path: Path) -> None:
    said = "{% for m in messages %}[{{ m.content }}]{% endfor %}"
    template = "{{ bos_token }}" + said + "{{ '>' if add_generation_prompt }}"
    model = LocalModel(
        name="m", path=tmp_path, size=0, chat_template=template, bos_token="<s>", adds_bos=True
    )
    prompts = contrast("formal-casual", limit=8).positive.learn[:1]
    assert texts(model, prompts)[0].startswith("[Write in a formal")
    assert texts(model, prompts)[0].endswith("]>")
    assert texts(model, prompts, template=False)[0].startswith("Write in a formal")
