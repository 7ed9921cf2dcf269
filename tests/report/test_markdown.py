from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from personas.report import markdown, render, step_summary
from personas.report.safemarkdown import code, fenced, plain

from . import scenarios
from .scenarios import SCENARIOS
from .strategies import foreign_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OUR_TAGS = {
    "<!-- personas-preview -->",
    "<details>",
    "</details>",
    "<summary>",
    "</summary>",
    "<b>",
    "</b>",
    "<code>",
    "</code>",
    "<sub>",
    "</sub>",
}
REFERENCE = re.compile(r"@\w|(?<![\w&])#\d|(?i:\bgh-\d)|https?://|www\.")
COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


def tokens(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def assert_harmless(text: str) -> None:
    """Only our own tags, all closed; no link, image, mention or reference; nothing invisible; no command."""
    html = "".join(token.content for token in tokens(text) if token.type in {"html_block", "html_inline"})
    assert set(re.findall(r"<[^>]*>", html)) <= OUR_TAGS
    for tag in ("details", "summary", "b", "code", "sub"):
        assert html.count(f"<{tag}>") == html.count(f"</{tag}>")
    kinds = {token.type for token in tokens(text)}
    assert not kinds & {"link_open", "image", "s_open", "em_open", "hr", "code_block", "ordered_list_open"}
    for token in tokens(text):
        if token.type == "inline":
            visible = "".join(child.content for child in token.children or () if child.type == "text")
            assert not REFERENCE.search(visible), visible
    outside_code = re.sub(r"<code>.*?</code>", "", html)
    assert not REFERENCE.search(re.sub(r"&#(\d+);", lambda m: chr(int(m[1])), outside_code))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert not COMMAND.search(text)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_report_is_harmless_markdown_that_begins_with_the_marker(name: str) -> None:
    text = render(SCENARIOS[name](), "markdown")
    assert text.splitlines()[0] == "<!-- personas-preview -->"
    assert len(text.encode("utf-8")) <= 65_536
    assert_harmless(text)


def test_verdict_and_counts_come_first_then_the_table_then_the_updates() -> None:
    text = render(scenarios.dry_run(), "markdown")
    assert text.splitlines()[1].endswith(
        "1 collision, 1 not known, 1 locked out, 1 needs --recreate, 1 to create, 2 to update, 1 stray"
    )
    assert (
        text.index("1 to create")
        < text.index("| state |")
        < text.index("<details>")
        < text.index("| before |")
    )


def test_an_update_is_a_folded_diff_with_marks_inside_changed_lines() -> None:
    text = render(scenarios.dry_run(), "markdown")
    email = "<code>persona.anna&#64;mana.test</code>"
    assert f"<details><summary><b>Anna Becker</b> {email}: prompt, weights</summary>\n\n```diff\n" in text
    assert "\n- You start [-six-] lists before breakfast and finish one.\n+ You start {+five+} lists" in text
    assert "\n- mail 0.3\n+ notes 0.2\n- todo 0.3\n+ todo 0.4\n" in text


def test_a_table_row_has_as_many_cells_as_its_head_whatever_is_in_it() -> None:
    text = render(scenarios.hostile_plan("a|b \\| `x|y` \n| c"), "markdown")
    rows = [token for token in tokens(text) if token.type in {"tr_open", "th_open", "td_open"}]
    widths = [
        len(group)
        for group in "".join("R" if row.type == "tr_open" else "c" for row in rows).split("R")
        if group
    ]
    assert set(widths) <= {2, 3, 4, 5, 6}
    assert "a&#124;b" in text


def test_a_fence_is_longer_than_any_run_of_backticks_inside() -> None:
    assert fenced(["a ```` b"], "diff") == "`````diff\na ```` b\n`````"
    assert fenced(["a"]) == "```\na\n```"


def test_foreign_text_keeps_its_words_when_it_is_escaped() -> None:
    assert plain("Anna Becker-Groß, 23") == "Anna Becker-Groß, 23"
    assert plain("@me #1 GH-2") == "&#64;&#8203;me &#35;&#8203;1 GH&#8203;-2"
    assert code("persona.anna@mana.test") == "`persona.anna@mana.test`"
    assert code("a`b") == "<code>a&#96;b</code>"
    assert plain("see https://x.org") == "see https&#58;&#8203;//x&#46;org"


@pytest.mark.parametrize("limit", [8_192, 20_000, 65_536])
def test_a_long_report_is_trimmed_at_whole_sections_with_a_note(limit: int) -> None:
    text = markdown.render(scenarios.large(400), limit=limit)
    assert len(text.encode("utf-8")) <= limit
    assert re.search(
        r"> ✂️ Shortened to fit: .*\d+ folded updates left out\. The JSON report has everything\.", text
    )
    assert_harmless(text)


def test_one_huge_update_does_not_hide_those_after_it() -> None:
    text = markdown.render(scenarios.one_huge_update(), limit=8_192)
    assert "1 folded update left out" in text
    assert "Ben Okafor</b>" in text
    assert "Anna Becker</b>" not in text


def test_a_step_summary_has_more_room_than_a_comment() -> None:
    report = scenarios.large(3_000)
    summary = step_summary(report)
    assert 65_536 < len(summary.encode("utf-8")) < 1_048_576
    assert_harmless(summary[:200])


def test_many_problems_are_listed_up_to_a_hundred_and_counted() -> None:
    text = render(scenarios.many_problems(150), "markdown")
    assert text.count("| `catalog.json:") == 100
    assert "50 problems left out" in text


@settings(max_examples=8, deadline=None)
@given(foreign_texts)
def test_any_foreign_text_is_harmless_in_markdown(foreign: str) -> None:
    for make in scenarios.HOSTILE_KINDS:
        text = render(make(foreign), "markdown")
        assert len(text.encode("utf-8")) <= 65_536
        assert_harmless(text)


@settings(max_examples=20, deadline=None)
@given(foreign_texts, st.integers(8_192, 20_000))
def test_a_trimmed_report_never_breaks_a_tag_or_a_fence(foreign: str, limit: int) -> None:
    text = markdown.render(scenarios.hostile_run(foreign), limit=limit)
    assert len(text.encode("utf-8")) <= limit
    assert_harmless(text)
