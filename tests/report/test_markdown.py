from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personas.report import markdown, render, step_summary
from personas.report.safemarkdown import code, fenced, plain

from . import scenarios
from .reading import assert_harmless_markdown, tokens
from .strategies import foreign_texts


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
    assert code("a" * 300) == f"<code>{'a' * 119}…</code>"
    assert plain("see https://x.org") == "see https&#58;&#8203;//x&#46;org"


@pytest.mark.parametrize("limit", [8_192, 20_000, 65_536])
def test_a_long_report_is_trimmed_at_whole_sections_with_a_note(limit: int) -> None:
    text = markdown.render(scenarios.large(400), limit=limit)
    assert len(text.encode("utf-8")) <= limit
    assert re.search(
        r"> ✂️ Shortened to fit: .*\d+ folded updates left out\. The JSON report has everything\.", text
    )
    assert "<details>" in text  # the table leaves room for them
    assert_harmless_markdown(text)


def test_one_huge_update_does_not_hide_those_after_it() -> None:
    text = markdown.render(scenarios.one_huge_update(), limit=8_192)
    assert "1 folded update left out" in text
    assert "Ben Okafor</b>" in text
    assert "Anna Becker</b>" not in text


def test_a_step_summary_has_more_room_than_a_comment() -> None:
    report = scenarios.large(3_000)
    summary = step_summary(report)
    assert 65_536 < len(summary.encode("utf-8")) < 1_048_576
    assert_harmless_markdown(summary[:200])


def test_many_problems_are_listed_up_to_a_hundred_and_counted() -> None:
    text = render(scenarios.many_problems(150), "markdown")
    assert text.count("| `catalog.json:") == 100
    assert "50 problems left out" in text


@settings(max_examples=10)
@given(foreign_texts, st.integers(8_192, 20_000))
def test_a_trimmed_report_never_breaks_a_tag_or_a_fence(foreign: str, limit: int) -> None:
    text = markdown.render(scenarios.hostile_run(foreign), limit=limit)
    assert len(text.encode("utf-8")) <= limit
    assert_harmless_markdown(text)
