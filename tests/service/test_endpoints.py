from __future__ import annotations

import contextlib
import json
from typing import Any

import httpx
import pytest
from fake import JWT, PERSONAS, RECORDED, URL, FakeAuth, recorded
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_jwt
from pydantic.alias_generators import to_snake

from personas.errors import BadAnswer, CredentialsRefused, PersonasError, ServiceError
from personas.secret import MASK, Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.signing import NotOffered

pytestmark = pytest.mark.anyio

SENT: dict[str, Any] = RECORDED["upsert-creates"]["request"]["json"]
PASSWORD = Secret(SENT["password"])
WHO: dict[str, Any] = {to_snake(key): value for key, value in SENT.items()} | {"password": PASSWORD}


# What was recorded


async def test_the_recorded_lists_are_understood(auth: FakeAuth) -> None:
    route = auth.get(PERSONAS)
    route.side_effect = [recorded("list-empty"), recorded("list"), recorded("list-with-actions")]
    assert await auth.client.list_personas() == ()
    listed = await auth.client.list_personas()
    assert [p.email for p in listed] == [p["email"] for p in RECORDED["list"]["response"]["body"]["personas"]]
    assert all(p.system_prompt is None and p.module_mix is None for p in listed)
    assert all(p.created_at is not None and p.name for p in listed)
    assert sum(p.actions_7d or 0 for p in await auth.client.list_personas()) == 2
    assert route.calls[0].request.headers["authorization"] == f"Bearer {JWT}"


async def test_the_recorded_details_are_understood(auth: FakeAuth) -> None:
    body = RECORDED["detail-with-activity"]["response"]["body"]
    user_id = body["persona"]["userId"]
    auth.get(f"{PERSONAS}/{user_id}").side_effect = [recorded("detail"), recorded("detail-with-activity")]
    assert (await auth.client.get_persona(user_id)).recent_actions == ()
    detail = await auth.client.get_persona(user_id)
    assert detail.persona.system_prompt == body["persona"]["systemPrompt"]
    assert detail.persona.module_mix == body["persona"]["moduleMix"]
    assert len(detail.recent_actions) == len(body["recentActions"])
    # The service calls the number of ratings their average.
    assert {f.module: (f.ratings, f.mean) for f in detail.feedback} == {"todo": (2, None), "notes": (1, None)}


async def test_the_recorded_creation_and_update_are_the_services_word_that_it_is_done(auth: FakeAuth) -> None:
    route = auth.post(PERSONAS)
    route.side_effect = [recorded("upsert-creates"), recorded("upsert-updates")]
    user_id = RECORDED["upsert-creates"]["response"]["body"]["userId"]
    assert await auth.client.upsert(**WHO) == await auth.client.upsert(**WHO) == user_id
    assert json.loads(route.calls[0].request.content) == SENT


async def test_the_recorded_deletions_tell_gone_from_refused(auth: FakeAuth) -> None:
    user_id = RECORDED["delete-ok"]["response"]["body"]["deleted"]
    route = auth.delete(f"{PERSONAS}/{user_id}")
    route.side_effect = [recorded("delete-ok"), recorded("delete-twice"), recorded("delete-human-refused")]
    assert await auth.client.delete(user_id) is True
    assert await auth.client.delete(user_id) is False
    with pytest.raises(BadAnswer, match="HTTP 400: Refusing to delete non-persona user") as caught:
        await auth.client.delete(user_id, who="ada")
    assert caught.value.message.startswith("deleting ada: ")


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("no-token", CredentialsRefused, "refused the admin token: Missing or invalid Authorization header"),
        ("bad-token", CredentialsRefused, "refused the admin token: Invalid or expired token"),
        ("non-admin", CredentialsRefused, "forbids it to this admin token: Forbidden; Admin access required"),
        ("invalid-json", BadAnswer, "HTTP 400: Invalid JSON body"),
        ("validation-errors", BadAnswer, "HTTP 400: ValidationError; email required; password ≥ 8 chars"),
        ("null-body", BadAnswer, "HTTP 500: Internal server error"),
        ("signup-invalid-email", BadAnswer, "HTTP 500: Sign-up failed; [body.email] Invalid email"),
        ("uppercase-second", BadAnswer, "HTTP 500"),
        ("trailing-slash", NotOffered, "no such path (HTTP 404)"),
    ],
)
async def test_each_recorded_error_names_status_persona_and_reason(
    auth: FakeAuth, name: str, kind: type[PersonasError], text: str
) -> None:
    auth.post(PERSONAS).mock(return_value=recorded(name))
    with pytest.raises(kind) as caught:
        await auth.client.upsert(**WHO)
    assert text in caught.value.message
    assert caught.value.message.startswith("seeding persona.ada@mana.test: ")
    assert caught.value.exit_code == 4


async def test_a_wrong_path_hints_at_the_endpoint(auth: FakeAuth) -> None:
    auth.get(PERSONAS).mock(return_value=recorded("trailing-slash"))
    with pytest.raises(NotOffered) as caught:
        await auth.client.list_personas()
    assert "--endpoint" in caught.value.hint


async def test_the_endpoint_is_a_setting(auth: FakeAuth) -> None:
    route = auth.get("/api/v1/personas/admin").respond(200, json={"personas": []})
    async with AuthService(URL, Credentials(token=Secret(JWT)), endpoint="/api/v1/personas/admin") as service:
        assert await service.list_personas() == ()
    assert route.called


# Shapes and odd answers


async def test_a_failure_of_two_seeds_at_once_is_asked_again_once(auth: FakeAuth) -> None:
    route = auth.post(PERSONAS)
    route.side_effect = [recorded("null-body"), recorded("upsert-creates")]
    assert await auth.client.upsert(**WHO)
    route.side_effect = [recorded("null-body")] * 2 + [recorded("upsert-creates")]
    with pytest.raises(BadAnswer, match="HTTP 500"):
        await auth.client.upsert(**WHO)


@pytest.mark.parametrize("ok", [{}, {"ok": False}, {"ok": "true"}])
async def test_nothing_is_done_without_the_services_word(auth: FakeAuth, ok: dict[str, Any]) -> None:
    auth.post(PERSONAS).respond(200, json={"userId": "u", **ok})
    auth.delete(f"{PERSONAS}/u").respond(200, json={"deleted": "u", **ok})
    for call in (auth.client.upsert(**WHO), auth.client.delete("u")):
        with pytest.raises(BadAnswer, match="without saying that it is done"):
            await call


@pytest.mark.parametrize("user", [{}, {"userId": None}, {"userId": ""}])
async def test_nobody_is_made_without_an_id(auth: FakeAuth, user: dict[str, Any]) -> None:
    auth.post(PERSONAS).respond(200, json={"ok": True, **user})
    with pytest.raises(BadAnswer, match="without saying that it is done"):
        await auth.client.upsert(**WHO)


async def test_an_answer_about_somebody_else_is_not_taken(auth: FakeAuth) -> None:
    bo = {"userId": "v", "email": "persona.bo@mana.test"}
    auth.post(PERSONAS).respond(200, json={"ok": True, **bo})
    auth.get(f"{PERSONAS}/u").respond(200, json={"persona": bo})
    auth.delete(f"{PERSONAS}/u").respond(200, json={"ok": True, "deleted": "v"})
    for call in (auth.client.upsert(**WHO), auth.client.get_persona("u"), auth.client.delete("u")):
        with pytest.raises(BadAnswer, match=r"answered for another (email|persona)"):
            await call


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no JSON"),
        (b"<html>Welcome</html>", "no JSON"),
        (b'{"personas": [{"userId": "u', "no JSON"),
        (b"\xff\xfe\xfd", "no JSON"),
        (b"[" * 50_000, "no JSON"),
        (b"[]", "another kind"),
        (b"null", "another kind"),
        (b'"x"', "another kind"),
        (b"{}", "cannot be understood: personas is missing"),
        (b'{"personas": null}', "personas is missing"),
        (b'{"personas": {}}', "personas is no list"),
        (b'{"personas": [null]}', r"personas\[0\] is no object"),
        (
            b'{"personas": [{"userId": "u", "email": "e"}, {"userId": "v"}]}',
            r"personas\[1\].email is missing",
        ),
        (b'{"personas": [{"userId": "u", "email": "e", "name": 7}]}', r"personas\[0\].name is no text"),
    ],
    ids=lambda value: repr(value[:20]),
)
async def test_an_answer_that_is_no_list_is_a_clear_error(auth: FakeAuth, content: bytes, text: str) -> None:
    auth.get(PERSONAS).respond(200, content=content)
    with pytest.raises(BadAnswer, match=text) as caught:
        await auth.client.list_personas()
    assert caught.value.message.startswith("listing the live personas: ")
    assert "--auth" in caught.value.hint


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_told_and_not_followed(auth: FakeAuth, status: int) -> None:
    auth.get(PERSONAS).respond(status, headers={"Location": "https://evil.example/"})
    with pytest.raises(BadAnswer, match=f"redirects.*{status}|{status}") as caught:
        await auth.client.list_personas()
    assert "--auth" in caught.value.hint
    assert auth.client.requests == 1


@pytest.mark.parametrize("status", [201, 204, 202, 400, 405, 409, 418, 500, 599])
async def test_any_other_status_is_no_success(auth: FakeAuth, status: int) -> None:
    auth.post(PERSONAS).respond(status, json={"ok": True, "userId": "u"})
    with pytest.raises(BadAnswer, match=str(status)) as caught:
        await auth.client.upsert(**WHO)
    assert type(caught.value) is BadAnswer  # nor is it that the service does not offer it


@pytest.mark.parametrize(
    "user_id", ["", ".", "..", "a/b", "../users", "a?b", "a#b", "a%2fb", "a b", "a\n", "x" * 300]
)
async def test_an_id_that_would_change_the_path_is_never_sent(auth: FakeAuth, user_id: str) -> None:
    for call in (auth.client.get_persona(user_id), auth.client.delete(user_id)):
        with pytest.raises(BadAnswer, match="id that cannot be used"):
            await call
    assert not auth.calls


async def test_what_a_service_echoes_is_masked(auth: FakeAuth) -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        text = request.content.decode() + request.headers["authorization"]
        return httpx.Response(400, json={"error": text})

    auth.post(PERSONAS).mock(side_effect=echo)
    with pytest.raises(BadAnswer) as caught:
        await auth.client.upsert(**WHO)
    assert MASK in caught.value.message
    assert PASSWORD.reveal() not in caught.value.message
    assert JWT not in caught.value.message


KEYS = st.sampled_from(["ok", "userId", "email", "personas", "persona", "users", "total", "error"])
JSON_OF_OURS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
)


@settings(max_examples=30)
@given(
    status=st.sampled_from([200, 201, 301, 400, 401, 403, 404, 422, 500]),
    content=st.binary(max_size=50) | JSON_OF_OURS.map(lambda value: json.dumps(value).encode()),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "location", "set-cookie", "x-thing"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    ),
)
async def test_any_answer_is_understood_or_a_service_error(
    status: int, content: bytes, headers: dict[str, str]
) -> None:
    async with FakeAuth.open() as auth:
        auth.route().respond(status, content=content, headers=headers)
        for call in (
            auth.client.list_personas(),
            auth.client.get_persona("u"),
            auth.client.upsert(**WHO),
            auth.client.delete("u"),
            auth.client.find_users(["persona.ada@mana.test"], domain="@mana.test"),
            auth.client.check_password("persona.ada@mana.test", PASSWORD),
            auth.client.sign_in("persona.ada@mana.test", PASSWORD),
        ):
            with contextlib.suppress(ServiceError):
                await call


async def test_only_a_read_for_safety_is_counted_as_one(auth: FakeAuth) -> None:
    auth.get(f"{PERSONAS}/u").respond(200, json={"persona": {"userId": "u", "email": "a@mana.test"}})
    await auth.client.get_persona("u")
    assert auth.client.safety_requests == 0
    await auth.client.get_persona("u", safety=True)
    assert (auth.client.requests, auth.client.safety_requests) == (2, 1)


@pytest.mark.parametrize(
    ("weight", "written"),
    [(1.0, b"1}"), (0.5, b"0.5}"), (0.0, b"0}"), (1e300, b"1e+300}"), (2.0**60, b"e+18}")],
)
async def test_a_weight_is_written_as_by_hand(auth: FakeAuth, weight: float, written: bytes) -> None:
    route = auth.post(PERSONAS).respond(200, json={"ok": True, "userId": "u"})
    await auth.client.upsert(**WHO | {"module_mix": {"todo": weight}})
    assert written in route.calls[0].request.content


# Tokens


async def test_a_given_token_that_ends_on_the_way_stops_the_call_and_is_not_repeated(auth: FakeAuth) -> None:
    route = auth.get(PERSONAS).respond(401, json={"statusCode": 401, "message": "Invalid or expired token"})
    with pytest.raises(CredentialsRefused) as caught:
        await auth.client.list_personas()
    assert "MANA_ADMIN_EMAIL" in caught.value.hint
    assert route.call_count == 1


async def test_a_token_that_can_be_renewed_is_renewed_once_and_the_call_repeated(auth: FakeAuth) -> None:
    made = [make_jwt(n=number) for number in range(3)]
    tokens = iter(made)
    route = auth.get(PERSONAS)
    route.side_effect = [httpx.Response(401), recorded("list-empty"), *[httpx.Response(401)] * 2]
    async with AuthService(URL, Credentials(mint=lambda: next(tokens))) as service:
        assert await service.list_personas() == ()
        with pytest.raises(CredentialsRefused):
            await service.list_personas()
    sent = [call.request.headers["authorization"] for call in route.calls]
    assert sent == [f"Bearer {made[number]}" for number in (0, 1, 1, 2)]


async def test_without_credentials_an_admins_call_is_not_even_sent(auth: FakeAuth) -> None:
    async with AuthService(URL) as service:
        with pytest.raises(CredentialsRefused, match="nothing to sign in with"):
            await service.list_personas()
    assert not auth.calls
