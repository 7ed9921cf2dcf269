"""Where the embedded service is better than the original on purpose."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from personas.embedded import schema

from .client import ANNA, HUMAN, PERSONAS, Client, body
from .flat import Flat


def _json(value: object) -> bytes:
    return json.dumps(value).encode()  # escapes what httpx could not encode


def test_the_email_of_a_human_is_refused_in_any_case_and_the_human_stays_as_it_was(small: Client) -> None:
    small.register(HUMAN, "humanpass123")
    before = small.user(HUMAN)
    for email in (HUMAN, "HUMAN@Mana.test"):
        answer = small.admin("POST", PERSONAS, json=body(email))
        message = f"{email} belongs to a user that is no persona"
        assert (answer.status_code, answer.json()) == (409, {"error": "Conflict", "message": message})
    assert (small.user(HUMAN), small.live()) == (before, [])


def test_an_admin_is_never_made_a_persona_even_with_the_right_password(small: Client) -> None:
    admin = small.embedded.admin
    assert admin is not None
    answer = small.admin("POST", PERSONAS, json=body(admin.email, password=admin.password))
    assert answer.status_code == 409
    assert small.user(admin.email)["kind"] == "system"


def test_a_stamped_user_without_a_descriptor_is_healed(small: Client) -> None:
    user_id = small.register(ANNA, "some other password")
    small.write(sa.update(schema.users).where(schema.users.c.id == user_id).values(kind="persona"))
    assert small.seed() == user_id
    assert [persona["userId"] for persona in small.live()] == [user_id]


@pytest.mark.parametrize(
    "change",
    [
        *({field: "a NUL \x00 in it"} for field in ("systemPrompt", "name", "archetype", "password")),
        {"email": "a\x00b@mana.test"},
        {"moduleMix": {"\x00": 1}},
    ],
)
def test_a_nul_is_refused_before_anything_is_stored(small: Client, change: dict[str, Any]) -> None:
    users = small.rows(schema.users)
    assert small.admin("POST", PERSONAS, json=body(**change)).status_code == 400
    assert small.rows(schema.users) == users


def test_a_lone_surrogate_is_left_out_of_what_is_stored(small: Client) -> None:
    prompt = "a lone \ud800 surrogate, and 😀, which is a pair of them"
    small.admin("POST", PERSONAS, content=_json(body(systemPrompt=prompt, name="\udfffAnna")))
    shown = small.admin("GET", f"{PERSONAS}/{small.live()[0]['userId']}").json()["persona"]
    assert shown["systemPrompt"] == "a lone  surrogate, and 😀, which is a pair of them"
    assert shown["name"] == "Anna"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        *((text.encode(), {"error": "Invalid JSON body"}) for text in ("null", "", "{", "NaN", "{} x")),
        (
            _json(body("bad email@mana.test")),
            {"error": "Sign-up failed", "message": "[body.email] Invalid email address"},
        ),
        (_json(body(password="a" * 129)), {"error": "Sign-up failed", "message": "Password too long"}),
    ],
)
def test_a_mistake_of_the_caller_is_told_as_one(small: Client, content: bytes, told: dict[str, str]) -> None:
    answer = small.admin("POST", PERSONAS, content=content)
    assert (answer.status_code, answer.json()) == (400, told)
    assert small.live() == []


def test_a_module_has_the_mean_of_its_ratings_and_their_number(client: Client) -> None:
    user_id = client.seed()
    rows = [
        {"tickId": f"t{index}", "module": module, "rating": rating}
        for index, (module, rating) in enumerate([("notes", 5), ("todo", 4), ("todo", 2), ("todo", 2)])
    ]
    assert client.run(user_id, "feedback", *rows).status_code == 200
    assert client.admin("GET", f"{PERSONAS}/{user_id}").json()["feedbackByModule"] == [
        {"module": "notes", "avgRating": 5, "ratings": 1},
        {"module": "todo", "avgRating": 8 / 3, "ratings": 3},
    ]


def test_a_deleted_persona_takes_the_spaces_along_that_have_no_member_left(flat: Flat) -> None:
    flat.send(ANNA, "create", {"name": "Alone", "slug": "alone", "metadata": {"type": "club"}})
    anna = flat.client.user(ANNA)["id"]
    assert flat.client.admin("DELETE", f"{PERSONAS}/{anna}").status_code == 200
    left = {row["slug"] for row in flat.client.rows(schema.organizations)}
    assert left == {"flat", "persona-bo", "persona-cleo", "admin-2"}
