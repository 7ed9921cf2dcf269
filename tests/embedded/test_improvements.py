"""Where the embedded service is better than the original on purpose."""

from __future__ import annotations

import json

import sqlalchemy as sa

from personas.embedded import schema

from .client import ANNA, BO, PASSWORD, PERSONAS, Client, body

HUMAN = "human@mana.test"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()  # escapes what httpx could not encode


def test_the_email_of_a_human_is_refused_and_the_human_stays_as_it_was(client: Client) -> None:
    client.register(HUMAN, "humanpass123")
    before = client.user(HUMAN)
    answer = client.admin("POST", PERSONAS, json=body(HUMAN))
    assert answer.status_code == 409
    assert answer.json() == {"error": "Conflict", "message": f"{HUMAN} belongs to a user that is no persona"}
    assert (client.user(HUMAN), client.live()) == (before, [])


def test_the_email_of_a_human_is_refused_in_upper_case_too(client: Client) -> None:
    client.register(HUMAN, "humanpass123")
    assert client.admin("POST", PERSONAS, json=body("HUMAN@Mana.test")).status_code == 409


def test_an_admin_is_never_made_a_persona_even_with_the_right_password(client: Client) -> None:
    admin = client.embedded.admin
    assert admin is not None
    answer = client.admin("POST", PERSONAS, json=body(admin.email, password=admin.password))
    assert answer.status_code == 409
    assert client.user(admin.email)["kind"] == "system"


def test_a_sign_up_that_was_never_stamped_is_healed_when_the_password_fits(client: Client) -> None:
    user_id = client.register(ANNA, PASSWORD)
    assert client.seed() == user_id
    assert [persona["userId"] for persona in client.live()] == [user_id]
    assert client.user(ANNA)["email_verified"]


def test_a_stamped_user_without_a_descriptor_is_healed(client: Client) -> None:
    user_id = client.register(ANNA, "some other password")
    client.write(sa.update(schema.users).where(schema.users.c.id == user_id).values(kind="persona"))
    assert client.seed() == user_id
    assert [persona["userId"] for persona in client.live()] == [user_id]


def test_an_email_in_upper_case_finds_its_persona_again(client: Client) -> None:
    first = client.seed("Persona.Up@mana.test")
    assert client.seed("PERSONA.UP@mana.test") == first
    assert [persona["email"] for persona in client.live()] == ["persona.up@mana.test"]


def test_a_nul_is_refused_before_anything_is_stored(client: Client) -> None:
    users = len(client.rows(schema.users))
    for field in ("systemPrompt", "name", "archetype", "password", "email"):
        text = "a NUL \x00 in it" if field != "email" else "a\x00b@mana.test"
        answer = client.admin("POST", PERSONAS, content=_json(body(**{field: text})))
        assert answer.status_code == 400, (field, answer.text)
    assert client.admin("POST", PERSONAS, content=_json(body(moduleMix={"\x00": 1}))).status_code == 400
    assert len(client.rows(schema.users)) == users


def test_a_lone_surrogate_is_left_out_of_what_is_stored(client: Client) -> None:
    prompt = "a lone \ud800 surrogate, and 😀, which is a pair of them"
    client.admin("POST", PERSONAS, content=_json(body(systemPrompt=prompt, name="\udfffAnna")))
    shown = client.admin("GET", f"{PERSONAS}/{client.live()[0]['userId']}").json()["persona"]
    assert shown["systemPrompt"] == "a lone  surrogate, and 😀, which is a pair of them"
    assert shown["name"] == "Anna"


def test_a_body_that_is_no_object_is_a_mistake_of_the_caller(small: Client) -> None:
    for content in ("null", "", "{", "NaN", '{"a": Infinity}', "{} x"):
        answer = small.admin("POST", PERSONAS, content=content)
        assert (answer.status_code, answer.json()) == (400, {"error": "Invalid JSON body"}), content


def test_a_bad_email_or_a_long_password_is_a_mistake_of_the_caller(small: Client) -> None:
    bad = small.admin("POST", PERSONAS, json=body("bad email@mana.test"))
    assert (bad.status_code, bad.json()["message"]) == (400, "[body.email] Invalid email address")
    long = small.admin("POST", PERSONAS, json=body(password="a" * 129))
    assert (long.status_code, long.json()["message"]) == (400, "Password too long")
    assert small.live() == []


def test_a_module_has_the_mean_of_its_ratings_and_their_number(client: Client) -> None:
    user_id = client.seed()
    ratings = [("notes", 5), ("todo", 4), ("todo", 2), ("todo", 2)]
    rows = [
        {"tickId": f"t{index}", "module": module, "rating": rating}
        for index, (module, rating) in enumerate(ratings)
    ]
    answer = client.call(
        "POST",
        f"/api/v1/internal/personas/{user_id}/feedback",
        json={"feedback": rows},
        headers={"x-service-key": "the runner's own key"},
    )
    assert answer.status_code == 200
    assert client.admin("GET", f"{PERSONAS}/{user_id}").json()["feedbackByModule"] == [
        {"module": "notes", "avgRating": 5, "ratings": 1},
        {"module": "todo", "avgRating": 8 / 3, "ratings": 3},
    ]


def test_a_deleted_persona_takes_the_spaces_along_that_have_no_member_left(client: Client) -> None:
    anna, _ = client.seed(ANNA), client.seed(BO)
    cookie, other = client.cookie(ANNA), client.cookie(BO)
    create = "/api/auth/organization/create"
    alone = {"name": "Alone", "slug": "alone", "metadata": {"type": "club"}}
    shared = {"name": "Flat", "slug": "flat", "metadata": {"type": "family"}}
    client.as_user(cookie, "POST", create, json=alone)
    space = client.as_user(cookie, "POST", create, json=shared).json()["id"]
    invitation = client.as_user(
        cookie,
        "POST",
        "/api/auth/organization/invite-member",
        json={"email": BO, "role": "member", "organizationId": space},
    ).json()["id"]
    client.as_user(
        other, "POST", "/api/auth/organization/accept-invitation", json={"invitationId": invitation}
    )
    assert client.admin("DELETE", f"{PERSONAS}/{anna}").status_code == 200
    left = {row["slug"] for row in client.rows(schema.organizations)}
    assert left == {"flat", "persona-bo", "admin-2"}
