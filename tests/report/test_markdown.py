from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from hypothesis import given, settings, strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from personas.reconcile.changes import Action, Status
from personas.report.markdown import MAX_BYTES, to_markdown
from personas.report.sanitize import disarm, markdown_code, markdown_text, visible

from . import scenarios
from .scenarios import ANNA, PROMPT, change, plan, report

_OWN_HTML = re.compile(r"</?(details|summary|b|sub|code)>|<!-- personas-preview -->")


def _tokens(text: str) -> list[Token]:
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [child for token in tokens for child in (token, *(token.children or ()))]


@pytest.mark.parametrize("length", [100, 1_000])
def test_a_long_report_is_cut_with_a_note(length: int) -> None:
    one = change(ANNA, Status.UPDATE, Action.UPDATE, fields=(PROMPT,))
    changes = [one.model_copy(update={"key": f"{n}@mana.test"}) for n in range(length)]
    text = to_markdown(report("dry-run", plan=plan(*changes), notes=("end",)))
    assert len(text.encode()) <= MAX_BYTES
    assert text.count("<details>") == text.count("</details>")
    noted = re.search(r"No room for (?:([\d,]+) personas, )?([\d,]+) changed personas", text)
    assert bool(noted) == (length == 1_000)
    rows = len(re.findall(r"^\| ~ update", text, re.MULTILINE))
    assert rows + int((noted[1] or "0").replace(",", "") if noted else 0) == length
    assert "**Note:** end" in text


def test_long_foreign_texts_are_cut() -> None:
    text = to_markdown(scenarios.foreign("@|`<\U0001f469" * 30_000))
    assert len(text.encode()) <= MAX_BYTES


@settings(max_examples=25)
@given(st.one_of(st.text(max_size=30), st.text("@#:/.<>[]()|`*_~\\-!&w\n 1ag", max_size=30)))
def test_foreign_text_cannot_act(foreign: str) -> None:
    text = to_markdown(scenarios.foreign(foreign))
    tokens = _tokens(text)
    assert not {"link_open", "image", "em_open", "s_open", "hr"} & {token.type for token in tokens}
    html = [token.content for token in tokens if token.type in {"html_inline", "html_block"}]
    left = _OWN_HTML.sub("", "".join(html))
    assert not re.search(r"<(?!/?(details|summary|b|code|sub)>)", left)
    prose = "".join(token.content for token in tokens if token.type in {"text", "html_block"})
    prose = unescape(re.sub(r"<code>.*?</code>", "", prose))
    assert not re.search(r"@\w|#\d|https?://|(?i:\bwww\.)|(?i:\bgh-\d)", prose)
    cells = [token.type for token in tokens if token.type in {"tr_open", "th_open", "td_open"}]
    counts = [row.count("_") for row in " ".join(cells).split("tr_open")[1:]]
    assert set(counts) <= {3, 4}
    assert not re.search(r"^\s*::|##\w*\[", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("show", "text", "shown"),
    [
        (visible, "Anna Groß 田中 👩‍👧", "Anna Groß 田中 👩‍👧"),
        (visible, "a\n\t\r", "a\\n\\t\\r"),
        (visible, "\x1b[31m\x9b", "\\x1b[31m\\x9b"),
        (visible, "\u202e\u2066\u200b", "\\u202e\\u2066\\u200b"),
        (visible, "\ud800", "\\ud800"),
        (visible, "\U000e0041", "\\U000e0041"),
        (disarm, "::error::x\n  ::warning::y", "\\:error::x\n  \\:warning::y"),
        (disarm, "a ##[error]x", "a #\\#[error]x"),
        (disarm, "a::b ## c", "a::b ## c"),
        (markdown_text, "Anna Becker-Groß, 23", "Anna Becker-Groß, 23"),
        (markdown_text, "1 extra (kept; --prune deletes it)", "1 extra (kept; --prune deletes it)"),
        (markdown_text, "@me #1 GH-2", "&#64;&#8203;me &#35;&#8203;1 GH&#8203;-2"),
        (markdown_text, "see https://x.org", "see https&#58;&#8203;//x&#46;org"),
        (markdown_text, "- a", "&#45; a"),
        (markdown_text, "a\n<b>|`", "a&#92;n&#60;b&#62;&#124;&#96;"),
        (markdown_code, "persona.anna@mana.test", "`persona.anna@mana.test`"),
        (markdown_code, "a, b.json:1:2", "`a, b.json:1:2`"),
        (markdown_code, "a`b", "<code>a&#96;b</code>"),
        (markdown_code, "a|b", "<code>a&#124;b</code>"),
        (markdown_code, "", ""),
    ],
)
def test_foreign_text_is_harmless_and_readable(show: Callable[[str], str], text: str, shown: str) -> None:
    assert show(text) == shown
