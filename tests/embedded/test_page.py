"""The pages that a browser shows."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from markupsafe import escape

from personas.embedded.browsing import SORTS
from personas.embedded.page import weigh

from .client import ANNA, PASSWORD, PERSONAS, Client, Clock

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 1_300
NASTY = "<script>alert(1)</script>\"'&"


def _run(client: Client, user_id: str, field: str, **row: Any) -> None:
    answer = client.run(user_id, field, {"tickId": "t", **row})
    assert answer.status_code == 200, answer.text


def test_the_page_shows_personas_with_state_actions_and_feedback(client: Client, clock: Clock) -> None:
    user_id = client.seed()
    client.seed("persona.bo@mana.test", name="Bo")
    _run(client, user_id, "actions", toolName="calendar.list", result="error", errorMessage="no calendar")
    _run(client, user_id, "feedback", module="calendar", rating=4)
    clock.advance(hours=3)
    answer = client.call("GET", "/")
    page = answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "2, 1 due" in page
    assert page.count('class="state due"') == page.count('class="state resting"') == 1
    for shown in (ANNA, "researcher", "calendar.list", "no calendar", "3 h ago", "never"):
        assert shown in page
    assert 'aria-label="4.0 of 5"' in page
    assert '<rect class="value" width="80.0"' in page


def test_a_fresh_service_says_what_to_do(small: Client) -> None:
    page = small.call("GET", "/").text
    assert "Nobody is signed in" in page
    assert "personas seed --auth" in page


def test_nothing_that_is_stored_becomes_markup(small: Client) -> None:
    user_id = small.seed(name=NASTY, archetype=NASTY)
    _run(small, user_id, "actions", toolName=NASTY, result="ok", errorMessage=NASTY)
    _run(small, user_id, "feedback", module=NASTY, rating=1)
    cookie = small.cookie()
    for path, times in (("/", 7), (f"/personas/{user_id}", 9), (f"/module?{urlencode({'name': NASTY})}", 4)):
        page = small.as_user(cookie, "GET", path).text
        assert "<script" not in page
        assert page.count(escape(NASTY)) == times
    searched = small.call("GET", f"/?{urlencode({'q': NASTY[1:]})}").text
    assert escape(NASTY[1:]) in searched


@pytest.mark.parametrize("path", ["/", "/personas/{id}", "/module?name=notes", "/personas/nobody"])
def test_the_page_lets_the_browser_run_and_load_nothing(small: Client, path: str) -> None:
    user_id = small.seed()
    _run(small, user_id, "feedback", module="notes", rating=1)
    answer = small.call("GET", path.format(id=user_id))
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'")
    assert not re.search(r"https?://|<script|style=|<link|<img| on\w+=", answer.text)


def test_somebody_signs_in_and_out_with_the_page_alone(small: Client) -> None:
    small.seed()
    origin = {"origin": small.embedded.base_url}
    form = {"email": ANNA, "password": PASSWORD}
    signed_in = small.call("POST", "/sign-in", data=form, headers=origin)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
    cookie = signed_in.headers["set-cookie"].partition(";")[0]
    page = small.as_user(cookie, "GET", "/").text
    assert f'Signed in as <strong>Anna</strong> <span class="soft">{ANNA}, a persona</span>' in page
    foreign = small.as_user(cookie, "POST", "/sign-out", headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    signed_out = small.as_user(cookie, "POST", "/sign-out")
    assert (signed_out.status_code, "Max-Age=0" in signed_out.headers["set-cookie"]) == (303, True)
    assert "Nobody is signed in" in small.as_user(cookie, "GET", "/").text


def test_a_wrong_password_is_told_on_the_page(small: Client) -> None:
    small.seed()
    origin = {"origin": small.embedded.base_url}
    for form in ({"email": ANNA, "password": "wrong"}, {"email": "x", "password": "\x00"}, {}):
        answer = small.call("POST", "/sign-in", data=form, headers=origin)
        assert answer.status_code == 401
        assert '<p class="wrong" id="wrong" role="alert">Invalid email or password</p>' in answer.text
        assert "set-cookie" not in answer.headers


def test_from_another_machine_only_an_admin_sees_the_personas(small: Client) -> None:
    user_id = small.seed()
    _run(small, user_id, "feedback", module="notes", rating=1)
    admin = small.embedded.admin
    assert admin is not None
    persona, admins = small.cookie(), small.cookie(admin.email, admin.password)
    elsewhere = Client(small.embedded, address="203.0.113.9")
    for path in ("/", f"/personas/{user_id}", "/module?name=notes"):
        stranger, page = elsewhere.call("GET", path), elsewhere.as_user(persona, "GET", path)
        assert ANNA not in stranger.text
        assert "only an admin sees the personas" in stranger.text
        assert '<details class="who" open>' in stranger.text
        assert (page.text.count(ANNA), "researcher" in page.text) == (1, False)
        assert (stranger.status_code, page.status_code) == ((200, 200) if path == "/" else (403, 403))
        assert elsewhere.as_user(admins, "GET", path).status_code == 200
    assert "researcher" in elsewhere.as_user(admins, "GET", "/").text
    unknown = elsewhere.call("GET", "/personas/nobody")
    assert unknown.status_code == 403  # nor is anybody told who there is


SEVEN = (
    ("Özlem", "ceo-busy", "daily"),
    ("anna", "researcher", "hourly"),
    ("Bo_Li", "solo-dev", "weekdays"),
    ("Zoë", "Artist", "daily"),
    ("Eva", "freelancer", "hourly"),
    ("100% Dan", "solo-dev", "daily"),
    ("Cem", "researcher", "weekdays"),
)


@pytest.fixture
def seven(client: Client, clock: Clock) -> Client:
    """Seven personas, each made a minute after the one before."""
    for number, (name, archetype, cadence) in enumerate(SEVEN):
        clock.advance(minutes=1)
        email = f"p{(number * 3) % 7}@mana.test"
        user_id = client.seed(email, name=name, archetype=archetype, tickCadence=cadence)
        rows = [{"tickId": "t", "toolName": "x", "result": "ok"}] * ((number * 2) % 7)
        assert client.run(user_id, "actions", *rows).status_code == (200 if rows else 400)
    return client


def _names(client: Client, **query: str | int) -> list[str]:
    """The personas of the list, in its order."""
    text = client.call("GET", f"/?{urlencode(query)}").text
    return [unescape(name) for name in re.findall(r'scope="row"><a href="/personas/\w+">(.*?)</a>', text)]


def test_personas_are_found_by_name_email_and_archetype(seven: Client) -> None:
    for text, expected in (
        ("ÖZLEM", ["Özlem"]),
        ("ANN", ["anna"]),
        ("p3@mana", ["anna"]),
        ("research", ["Cem", "anna"]),
        ("%", ["100% Dan"]),
        ("_", ["Bo_Li"]),
        ("  eva  ", ["Eva"]),
        ("nobody at all", []),
    ):
        assert _names(seven, q=text) == expected
        assert f"{len(expected)} of 7 match" in seven.call("GET", f"/?{urlencode({'q': text})}").text
    assert len(_names(seven, q="\x00")) == 7


def test_personas_are_sorted_by_each_column_in_both_directions(seven: Client) -> None:
    live = {persona["name"]: persona for persona in seven.live()}
    keys: dict[str, Callable[[str], Any]] = {
        "created": lambda name: live[name]["createdAt"],
        "name": str.lower,
        "email": lambda name: live[name]["email"],
        "archetype": lambda name: live[name]["archetype"].lower(),
        "cadence": lambda name: live[name]["tickCadence"],
        "active": lambda name: live[name]["lastActiveAt"] or "",
        "actions": lambda name: live[name]["actions7d"],
    }
    assert set(keys) == set(SORTS)
    for column, key in keys.items():
        if column in {"name", "archetype"} and not seven.embedded._service.database.is_sqlite:
            continue  # by the rules of the database's own language
        assert _names(seven, sort=column) == sorted(live, key=key)
        descending = [key(name) for name in _names(seven, sort=f"-{column}")]
        assert descending == sorted(map(key, live), reverse=True)


def test_nonsense_in_the_address_is_as_good_as_nothing(seven: Client) -> None:
    usual = _names(seven)
    for number in ("x", "-1", "0", "9" * 5000, "٣"):
        assert _names(seven, page=number) == usual
    for sort in ("password", "--name", ""):
        assert _names(seven, sort=sort) == usual
    long = "x" * 5000
    for path in ("/?q=%00", "/?q=%ED%A0%80", f"/?q={long}"):
        assert seven.call("GET", path).status_code == 200
    for path in ("/personas/%00", "/personas/x%2Fy", f"/personas/{long}", "/personas/", "/module?name=%00"):
        assert seven.call("GET", path).status_code == 404


def test_very_many_personas_come_in_short_pages_with_links_from_one_to_the_next(small: Client) -> None:
    small.add_crowd({} for _ in range(MANY))
    first = small.call("GET", "/").text
    assert f"{MANY:,}, {MANY:,} due" in first
    assert f"1 to 50 of {MANY:,}" in first
    assert len(first) < 100_000
    query = {"q": "P12", "sort": "email"}
    seen: list[str] = []
    address: str | None = f"/?{urlencode(query)}"
    pages = 0
    while address:
        text = small.call("GET", address).text
        seen += re.findall(r"(p\d+)@mana", text)
        pages += 1
        following = re.search(r'<a href="([^"]*)" rel="next">', text)
        address = unescape(following[1]) if following else None
    expected = sorted(f"p{number}" for number in range(MANY) if "p12" in f"p{number}")
    assert (len(expected), pages) == (111, 3)
    assert sorted(seen) == expected
    beyond = small.call("GET", f"/?{urlencode({**query, 'page': 99})}").text
    assert "Page 3 of 3" in beyond
    assert re.search(r'<a href="([^"]*)" rel="prev">', beyond)


def test_a_personas_page_shows_everything_that_hangs_on_it(client: Client, clock: Clock) -> None:
    prompt = "You are Anna, 36.\nYou like lists."
    user_id = client.seed(moduleMix={"todo": 1, "notes": 3, "chat": 0}, systemPrompt=prompt)
    cookie = client.cookie()
    space = {"name": "The Bergers", "slug": "bergers", "metadata": {"type": "family"}}
    assert client.as_user(cookie, "POST", "/api/auth/organization/create", json=space).status_code == 200
    for number in range(25):
        clock.advance(seconds=1)
        row = {"tickId": str(number), "toolName": f"tool-{number}", "result": "ok", "latencyMs": 1234}
        _run(client, user_id, "actions", **row)
    _run(client, user_id, "feedback", module="notes", rating=4, notes="Quick enough.\nMostly.")
    clock.advance(hours=3)
    text = client.call("GET", f"/personas/{user_id}").text
    for shown in (ANNA, prompt, "The Bergers", "bergers", "family", "owner"):
        assert shown in text
    assert re.findall(r'aria-label="(\d+ %)"', text) == ["75 %", "25 %", "0 %"]
    assert re.findall(r"<code>(tool-\d+)</code>", text) == [f"tool-{number}" for number in range(24, 4, -1)]
    assert "20 of 25" in text
    assert "1,234 ms" in text
    assert "4 of 5" in text
    assert "Quick enough.\nMostly." in text
    assert re.search(r"<dt>Due next</dt><dd><time [^>]*>in 21 h</time>", text)
    clock.advance(days=1)
    assert '<span class="state due">due now</span>' in client.call("GET", f"/personas/{user_id}").text


def test_a_persona_that_is_gone_is_not_found(small: Client) -> None:
    user_id = small.seed()
    small.admin("DELETE", f"{PERSONAS}/{user_id}")
    answer = small.call("GET", f"/personas/{user_id}")
    assert (answer.status_code, "There is no such persona" in answer.text) == (404, True)
    human = small.register("human@example.com")
    assert small.call("GET", f"/personas/{human}").status_code == 404


def test_a_modules_page_shows_its_ratings_and_their_notes(client: Client, clock: Clock) -> None:
    user_id = client.seed()
    for number, rating in enumerate((5, 5, 4, 1)):
        clock.advance(seconds=1)
        row = {"tickId": str(number), "module": "a & b", "rating": rating, "notes": f"note {number}"}
        _run(client, user_id, "feedback", **row)
    _run(client, user_id, "feedback", module="other", rating=2, notes="elsewhere")
    (address,) = re.findall(r'<a href="(/module[^"]*)">a &amp; b</a>', client.call("GET", "/").text)
    text = client.call("GET", unescape(address)).text
    assert "3.8 of 5, 4 ratings" in text
    assert re.findall(r'aria-label="(\d+ %)"', text) == ["50 %", "25 %", "0 %", "0 %", "25 %"]
    assert re.findall(r"note \d", text) == ["note 3", "note 2", "note 1", "note 0"]
    assert "elsewhere" not in text
    assert f'<a href="/personas/{user_id}">Anna</a>' in text


def test_ratings_come_in_pages(small: Client, clock: Clock) -> None:
    user_id = small.seed()
    for batch in range(2):
        clock.advance(seconds=1)
        numbers = range(batch * 60, batch * 60 + 60)
        rows = [{"tickId": f"{n}", "module": "notes", "rating": 3, "notes": f"note {n}."} for n in numbers]
        assert small.run(user_id, "feedback", *rows).status_code == 200
    texts = [small.call("GET", f"/module?name=notes&page={page}").text for page in (1, 2, 3)]
    seen = [note for text in texts for note in re.findall(r"note \d+\.", text)]
    assert sorted(seen) == sorted(f"note {number}." for number in range(120))
    assert "101 to 120 of 120" in texts[2]


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ({}, []),
        ({"a": 0, "b": 0}, [("a", "0", 0), ("b", "0", 0)]),
        ({"a": 1, "b": 3}, [("b", "3", 75), ("a", "1", 25)]),
        ({"a": "much", "b": 1, "c": 999}, [("c", "999", 99.9), ("b", "1", 0.1), ("a", '"much"', None)]),
        ({"a": None}, [("a", "null", None)]),
        ({"a": 10**400, "b": -1}, [("a", str(10**400), None), ("b", "-1", None)]),
    ],
)
def test_weights_are_drawn_as_shares_where_they_are_numbers(
    mix: dict[str, Any], expected: list[tuple[str, str, float | None]]
) -> None:
    assert [(weight.module, weight.text, weight.share) for weight in weigh(mix)] == expected


def test_very_many_weights_are_cut() -> None:
    assert len(weigh({f"m{number}": 1 for number in range(1000)})) == 100
