"""The page at `/`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from personas.embedded.schema import personas, users
from personas.embedded.users import make_user

from .conftest import ANNA, BO, CLEO, DATABASES, KIM, Calls, make_database, open_calls

EVERYONE = [ANNA, BO, CLEO, KIM]
EVIL = "<script>alert('&')</script>"


@pytest.fixture
def calls(database: str) -> Iterator[Calls]:
    with open_calls(database) as calls:
        yield calls


@pytest.fixture(scope="module", params=DATABASES)
def people(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    """A service for tests that only read: each persona has another number of actions, Kim none."""
    with make_database(request.param, tmp_path_factory.mktemp("page")) as place, open_calls(place) as people:
        for email, actions in ((BO, 3), (ANNA, 1), (CLEO, 2)):
            _act(people, email, actions)
            people.now += dt.timedelta(minutes=1)
        people.create(KIM, archetype="GÄRTNER")
        yield people


def _page(calls: Calls, **query: str) -> str:
    answer = calls.request("GET", "/", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return answer.text


def _listed(calls: Calls, **query: str) -> list[str]:
    return re.findall(r'<br><span class="soft">(.+?)</span>', _page(calls, **query))


def _act(calls: Calls, email: str, count: int, **fields: Any) -> None:
    action = {"toolName": "todo.create", "result": "ok", "tickId": email, **fields}
    calls.runner("POST", f"{calls.ids[email]}/actions", {"actions": [action] * count})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bo@", [BO]),
        ("ANNA", [ANNA]),
        ("gärtner", [KIM]),
        ("%", []),
        ("_", []),
        ("\0", EVERYONE),
    ],
)
def test_search_in_name_email_and_archetype(people: Calls, text: str, found: list[str]) -> None:
    assert sorted(_listed(people, q=text)) == found


def test_query_without_sense_is_ignored(people: Calls) -> None:
    for query in ({"sort": "name"}, {"page": "0"}, {"page": "x"}, {"page": "99999999"}):
        assert len(_listed(people, **query)) == 4, query


def test_unknown_persona_is_not_found(people: Calls) -> None:
    for user_id in ("nope", "", "\0"):
        assert people.get("/", params={"id": user_id}).status_code == 404


def test_policy_allows_only_the_style_of_the_page(people: Calls) -> None:
    policy = people.request("GET", "/").headers["content-security-policy"]
    assert re.match("default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'", policy)


def test_2000_personas_come_in_pages(calls: Calls) -> None:
    moments = {"created_at": calls.now, "updated_at": calls.now}
    numbers = [f"{number:04}" for number in range(1997)]
    with calls.service.database.write() as connection:
        people = [{**make_user(f"{n}@x.test", n, calls.now), "id": n} for n in numbers]
        connection.execute(sa.insert(users), people)
        same = {"archetype": "a", "system_prompt": "p", "module_mix": {}, "tick_cadence": "daily", **moments}
        connection.execute(sa.insert(personas), [{"user_id": n, **same} for n in numbers])
    seen = [email for page in ("1", "2") for email in _listed(calls, q="x.test", page=page)]
    assert len(set(seen)) == 100
    last = _page(calls, q="x.test", page="99")
    assert "Page 40 of 40" in last
    assert 'href="/?q=x.test&amp;page=39" rel="prev"' in last
    assert 'rel="next"' not in last


def test_persona_with_prompt_weights_actions_and_feedback(calls: Calls) -> None:
    _act(calls, ANNA, 25, result="error", errorMessage="no <b>luck", latencyMs=1234)
    feedback = [{"tickId": "t", "module": "photos", "rating": 4, "notes": "slow"}]
    calls.runner("POST", f"{calls.ids[ANNA]}/feedback", {"feedback": feedback})
    page = _page(calls, id=calls.ids[ANNA])
    assert "You draw for children&#39;s books." in page
    assert re.findall(r'aria-label="(\d+) % of all weights"', page) == ["75", "25"]
    assert page.count("todo.create") == 20
    for text in ("no &lt;b&gt;luck", "1,234 ms", "4 of 5", "slow"):
        assert text in page


def test_persona_with_weights_that_are_not_numbers(calls: Calls) -> None:
    mixes: list[object] = [{}, [1], {"a": "x", "b": None, "c": -1, "d": 10**400}, {"a": 0}]
    for mix in mixes:
        calls.create(KIM, moduleMix=mix)
        assert "Weights" in _page(calls, id=calls.ids[KIM])


def test_stored_text_is_escaped(calls: Calls) -> None:
    calls.create(KIM, name=EVIL, archetype=EVIL, systemPrompt=EVIL, moduleMix={EVIL: 1})
    _act(calls, KIM, 1, toolName=EVIL)
    for page in (_page(calls), _page(calls, q=EVIL), _page(calls, id=calls.ids[KIM])):
        assert "<script" not in page
        assert "&lt;script&gt;" in page


def test_page_is_refused_when_other_machines_reach_the_service(calls: Calls) -> None:
    calls.service.on_loopback = False
    answer = calls.request("GET", "/")
    assert (answer.status_code, ANNA in answer.text) == (403, False)
