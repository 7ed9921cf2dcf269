"""How the pages look and are read: colours, structure, and a real browser as narrow as a phone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from personas.embedded import Embedded, serving

from .client import Client, Clock

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CSS = resources.files("personas.embedded").joinpath("page.css").read_text(encoding="utf-8")
SCHEMES = ("light", "dark")
WIDTHS = (320, 390, 1200)
LONG = "Averylongnamethatnobodycanbreakanywherebecauseithasnospaces" * 3

EVERYTHING = "[...document.querySelectorAll('main *')]"
IS_BEYOND = "element => element.getBoundingClientRect().right > innerWidth"

# Which text stands on which ground, and which shapes.
TEXT = {
    ("ink", "paper"),
    ("ink", "card"),
    ("soft", "paper"),
    ("soft", "card"),
    ("accent", "paper"),
    ("accent", "card"),
    ("card", "accent"),
    ("bad", "paper"),
    ("good", "good-paper"),
    ("bad", "bad-paper"),
    ("quiet", "quiet-paper"),
}
SHAPES = {("bar", "track"), ("bar", "card"), ("edge", "card"), ("edge", "paper"), ("accent", "paper")}
ORNAMENT = {"line"}  # lines between rows, which stand apart without them


def _colours(scheme: str) -> dict[str, str]:
    """The variables of a scheme: the light one's block comes first."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    )
    assert set(light) == set(dark)
    return dark if scheme == "dark" else light


def _luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_can_be_read_and_every_shape_be_seen(scheme: str) -> None:
    colours = _colours(scheme)
    assert {name for pair in TEXT | SHAPES for name in pair} | ORNAMENT == set(colours)
    for pairs, least in ((TEXT, 4.5), (SHAPES, 3)):
        ratios = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
        assert {pair: ratio for pair, ratio in ratios.items() if ratio < least} == {}


def test_no_colour_stands_outside_the_variables() -> None:
    rest = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgb|hsl", rest) == []


@pytest.fixture
def filled(small: Client, clock: Clock) -> tuple[Embedded, list[str]]:
    """A service with something on each page, and the pages."""
    user_id = small.seed(name=LONG, archetype=LONG, systemPrompt=LONG, moduleMix={LONG: 1, "b": 2})
    small.seed("persona.bo@mana.test", name="Bo")
    action = {"tickId": LONG, "toolName": LONG, "result": "error", "errorMessage": LONG}
    rating = {"tickId": LONG, "module": LONG, "rating": 2, "notes": LONG}
    for field, row in (("actions", action), ("feedback", rating)):
        assert small.run(user_id, field, row).status_code == 200
    clock.advance(minutes=3)
    paths = ["/", f"/personas/{user_id}", f"/module?name={LONG}", "/?q=nobody", "/personas/nobody"]
    return small.embedded, paths


class Tags(HTMLParser):
    """The tags of a page with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def values(self, name: str, *of: str) -> list[str]:
        """An attribute of all tags, or of some, that have it."""
        return [given[name] or "" for tag, given in self.all if name in given and (not of or tag in of)]


def test_pages_are_in_order_for_keyboards_and_screen_readers(filled: tuple[Embedded, list[str]]) -> None:
    embedded, paths = filled
    for path in paths:
        tags = Tags(Client(embedded).call("GET", path).text)
        title, *headings = (tag for tag, _ in tags.all if re.fullmatch(r"h\d", tag))
        assert (title, set(headings) <= {"h2"}) == ("h1", True)
        ids = tags.values("id")
        assert len(set(ids)) == len(ids)
        anchors = [link[1:] for link in tags.values("href") if link.startswith("#")]
        about = [*tags.values("aria-labelledby"), *tags.values("aria-describedby"), *tags.values("for")]
        assert {*anchors, *about} <= set(ids)
        assert tags.values("id", "input", "select", "textarea") == tags.values("for", "label")
        first = next(given for tag, given in tags.all if tag in {"a", "input", "button", "summary"})
        assert (first["class"], first["href"]) == ("skip", "#content")
        for tag, given in tags.all:
            assert "tabindex" not in given or (tag, given["tabindex"]) == ("main", "-1")
            assert tag != "svg" or (given["role"] == "img" and given["aria-label"])
            assert tag != "th" or given["scope"] in {"col", "row"}
            assert tag != "section" or "aria-label" in given or "aria-labelledby" in given


def test_nothing_has_to_be_scrolled_sideways(filled: tuple[Embedded, list[str]], browser: Browser) -> None:
    embedded, paths = filled
    with serving(embedded) as url, browser.new_context() as context:
        page = context.new_page()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            for path in paths:
                page.goto(url + path)
                assert page.evaluate("document.documentElement.scrollWidth") == width, path
                assert page.evaluate(f"{EVERYTHING}.filter({IS_BEYOND}).length") == 0, path


def test_the_keyboard_reaches_the_content_past_the_header_and_a_search_by_enter(
    filled: tuple[Embedded, list[str]], browser: Browser
) -> None:
    embedded, _ = filled
    with serving(embedded) as url, browser.new_context() as context:
        page = context.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.goto(url)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "q"
        page.keyboard.type("persona.bo")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?q=persona.bo*")
        assert page.locator("tbody th[scope=row]").count() == 1
        assert told == []  # nothing that the page's own policy would have had to stop
