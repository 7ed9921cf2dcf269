"""What a reader of each format makes of a report, and that nothing in it does anything else."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from markdown_it.token import Token

from personas.report import Format, Report, output_lines, render, report_schema, step_outputs

ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Control characters, overrides of direction, what cannot be seen, and half characters.
ACTS = re.compile(
    "[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ud800-\\udfff]"
)
COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


def text(report: Report, **options: Any) -> str:
    return render(report, "text", **options)


def flat(report: Report, **options: Any) -> str:
    """The page as one line, wherever it was wrapped."""
    return " ".join(text(report, **options).split())


def check_text(report: Report) -> None:
    """Without colours no escape, with them nothing else; and no spaces at the end of a line."""
    coloured = text(report, color=True)
    for shown in (text(report), ANSI.sub("", coloured)):
        assert not ACTS.search(shown)
        assert not COMMAND.search(shown)
        assert not [line for line in shown.split("\n") if line != line.rstrip(" ")]


def document(report: Report) -> Any:
    return json.loads(render(report, "json"), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def _closed(schema: Any) -> Any:
    """The schema, such that a property it does not name is an error."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        kept["additionalProperties"] = False
    return kept


VALIDATOR = Draft202012Validator(_closed(report_schema()))


def check_json(report: Report) -> None:
    """What the schema says and nothing more."""
    assert not ACTS.search(render(report, "json"))
    assert not COMMAND.search(render(report, "json"))
    VALIDATOR.validate(document(report))


_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_PAIRED = ("details", "summary", "b", "code", "sub")
_OUR_TAGS = {"<!-- personas-preview -->", *(f"<{end}{tag}>" for tag in _PAIRED for end in ("", "/"))}
_NONE_OF_OURS = {"link_open", "image", "s_open", "em_open", "hr", "code_block", "ordered_list_open"}
_REFERENCE = re.compile(r"@\w|(?<![\w&])#\d|(?i:\bgh-\d)|https?://|www\.")


def tokens(markdown: str) -> Iterator[Token]:
    for token in _PARSER.parse(markdown):
        yield token
        yield from token.children or ()


def assert_harmless_markdown(markdown: str) -> None:
    """Only our own tags, all closed; no link, image, mention or reference; nothing invisible; no command."""
    found = [*tokens(markdown)]
    html = "".join(token.content for token in found if token.type in {"html_block", "html_inline"})
    assert set(re.findall(r"<[^>]*>", html)) <= _OUR_TAGS
    for tag in _PAIRED:
        assert html.count(f"<{tag}>") == html.count(f"</{tag}>")
    assert not {token.type for token in found} & _NONE_OF_OURS
    for token in found:
        if token.type == "inline":
            visible = "".join(child.content for child in token.children or () if child.type == "text")
            assert not _REFERENCE.search(visible), visible
    outside_code = re.sub(r"<code>.*?</code>", "", html)
    assert not _REFERENCE.search(re.sub(r"&#(\d+);", lambda m: chr(int(m[1])), outside_code))
    assert not ACTS.search(markdown)
    assert not COMMAND.search(markdown)


def check_markdown(report: Report) -> None:
    """Harmless, begins with the marker, and fits a comment."""
    markdown = render(report, "markdown")
    assert markdown.splitlines()[0] == "<!-- personas-preview -->"
    assert len(markdown.encode("utf-8")) <= 65_536
    assert_harmless_markdown(markdown)


@dataclass
class Command:
    kind: str
    properties: dict[str, str]
    data: str


def obeyed(report: Report) -> list[Command]:
    """What a runner makes of standard output: lines at any line break, commands where it looks for them."""
    commands = []
    for line in re.split(r"\r\n|\r|\n", render(report, "github")):
        assert "##[" not in line
        stripped = line.strip()
        if not stripped:
            continue
        assert stripped.startswith("::"), f"no command: {line!r}"
        head, _, data = stripped[2:].partition("::")
        kind, _, given = head.partition(" ")
        properties = dict(item.split("=", 1) for item in given.split(",") if item)
        inside = {key: _unescaped(value, {"%3A": ":", "%2C": ","}) for key, value in properties.items()}
        commands.append(Command(kind, inside, _unescaped(data)))
    return commands


def _unescaped(text: str, more: dict[str, str] | None = None) -> str:
    for code, char in {"%0D": "\r", "%0A": "\n", **(more or {}), "%25": "%"}.items():
        text = text.replace(code, char)
    return text


def outputs(lines: str) -> dict[str, str]:
    """What a runner makes of the output file: `name=value` lines; `name<<END` would begin a long value."""
    found = {}
    for line in lines.splitlines():
        name, equals, value = line.partition("=")
        assert equals
        assert "<<" not in name
        found[name] = value
    return found


def check_github(report: Report) -> None:
    """Nothing but annotations, and as many outputs as there are."""
    assert not ACTS.search(render(report, "github"))
    for command in obeyed(report):
        assert command.kind in {"error", "warning", "notice"}
        assert set(command.properties) <= {"file", "line", "col", "title"}
    told = outputs(output_lines(step_outputs(report)))
    assert list(told) == list(step_outputs(report))


def suite(report: Report) -> ET.Element:
    root = ET.fromstring(render(report, "junit").encode("utf-8"))
    assert root.tag == "testsuites"
    (found,) = root
    return found


def verdicts(report: Report) -> dict[str, str]:
    """The name of each case and what became of it."""
    return {case.attrib["name"]: case[0].tag if len(case) else "passed" for case in suite(report)}


def check_junit(report: Report) -> None:
    """Valid XML, whose counts are those of its cases."""
    shown = render(report, "junit")
    assert not ACTS.search(shown)
    assert not COMMAND.search(shown)
    found = suite(report)
    counted = Counter(case[0].tag for case in found if len(case))
    told = {name: int(found.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    assert told == {
        "tests": len(found),
        "failures": counted["failure"],
        "errors": counted["error"],
        "skipped": counted["skipped"],
    }


CHECKS: dict[Format, Callable[[Report], None]] = {
    "text": check_text,
    "json": check_json,
    "markdown": check_markdown,
    "github": check_github,
    "junit": check_junit,
}
