"""The calls on shared spaces: what was recorded is understood, what is strange is an error in our words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx
from fake import RECORDED, URL, FakeAuth, recorded

from personas.errors import BadAnswer, RateLimited, ServiceError
from personas.secret import Secret
from personas.service.models import LiveSpace
from personas.service.signing import NotOffered, Session
from personas.service.spaces import SPACES, NoSuchSpace, NotAMember, SlugTaken

pytestmark = pytest.mark.anyio

COOKIE = "some-cookie-of-ada"
ADA = Session("persona.ada@mana.test", "mana.session_token", Secret(COOKIE))
BO = Session("persona.bo@mana.test", "mana.session_token", Secret("some-cookie-of-bo"))
FLAT = LiveSpace(
    space_id="naGvQ8m2yW48oU1KuIPtJe0A2Eeq2Kq0", slug="flat-ada-bo", name="Flat", metadata={"type": "family"}
)


def answer(auth: FakeAuth, name: str) -> respx.Route:
    """Answer as recorded, whoever asks for that path."""
    request = RECORDED[name]["request"]
    return auth.route(method=request["method"], path=request["path"]).mock(return_value=recorded(name))


def sent(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


async def test_the_recorded_list_is_understood_and_asked_for_with_cookie_and_origin(auth: FakeAuth) -> None:
    route = answer(auth, "org-list-own")
    (own,) = await auth.client.spaces.list(ADA)
    assert (own.slug, own.name, own.type, own.is_personal) == ("persona-ada", "Ada", "personal", True)
    request = route.calls.last.request
    assert request.headers["cookie"] == f"mana.session_token={COOKIE}"
    assert request.headers["origin"] == URL


async def test_a_recorded_space_is_understood_with_members_and_invitations(auth: FakeAuth) -> None:
    answer(auth, "org-full")
    space = await auth.client.spaces.get(ADA, slug="flat-ada-bo", space_id=FLAT.space_id)
    assert (space.slug, space.name, space.type) == ("flat-ada-bo", "Flat", "family")
    assert [(member.email, member.role) for member in space.members] == [
        ("persona.ada@mana.test", "owner"),
        ("persona.bo@mana.test", "member"),
    ]
    assert space.owners == ("persona.ada@mana.test",)
    assert space.invitation("persona.bo@mana.test") is None  # accepted long ago


async def test_the_recorded_writes_are_sent_as_they_were_recorded(auth: FakeAuth) -> None:
    route = answer(auth, "org-create")
    space_id = await auth.client.spaces.create(ADA, slug="flat-ada-bo", name="Flat", type="family")
    assert space_id == FLAT.space_id
    assert sent(route) == RECORDED["org-create"]["request"]["json"]

    route = answer(auth, "org-invite")
    invitation = await auth.client.spaces.invite(ADA, FLAT, "persona.bo@mana.test", "member")
    assert sent(route) == RECORDED["org-invite"]["request"]["json"]

    route = answer(auth, "org-accept")
    accepted = await auth.client.spaces.accept(BO, FLAT, invitation.invitation_id)
    assert sent(route) == {"invitationId": invitation.invitation_id}
    assert accepted.role == "member"

    route = answer(auth, "org-update-role")
    await auth.client.spaces.change_role(ADA, FLAT, accepted.member_id, "admin", who="persona.bo@mana.test")
    assert sent(route) == RECORDED["org-update-role"]["request"]["json"]

    route = answer(auth, "org-remove-member")
    await auth.client.spaces.remove_member(ADA, FLAT, accepted.member_id, who="persona.bo@mana.test")
    assert sent(route) == {"memberIdOrEmail": accepted.member_id, "organizationId": FLAT.space_id}

    route = answer(auth, "org-delete")
    await auth.client.spaces.delete(ADA, FLAT)
    assert sent(route) == {"organizationId": FLAT.space_id}


async def test_an_update_keeps_what_else_the_service_knows_of_a_space(auth: FakeAuth) -> None:
    space = FLAT.model_copy(update={"metadata": {"type": "family", "tier": "alpha"}})
    route = auth.post(f"{SPACES}/update").respond(json={"id": FLAT.space_id, "slug": FLAT.slug})
    await auth.client.spaces.update(ADA, space, name="Flat 2", type="team")
    data = {"name": "Flat 2", "metadata": {"type": "team", "tier": "alpha"}}
    assert sent(route) == {"organizationId": FLAT.space_id, "data": data}


@pytest.mark.parametrize(("hours", "expired"), [(1, False), (-1, True)])
async def test_an_invitation_has_expired_by_the_services_clock(
    auth: FakeAuth, hours: int, expired: bool
) -> None:
    # The clock of the service is five hours behind the one here.
    now = datetime.now(UTC) - timedelta(hours=5)
    invitation = {
        "id": "i1",
        "email": "persona.bo@mana.test",
        "role": "member",
        "status": "pending",
        "expiresAt": (now + timedelta(hours=hours)).isoformat(),
    }
    whole = {**RECORDED["org-full"]["response"]["body"], "invitations": [invitation]}
    date = now.strftime("%a, %d %b %Y %H:%M:%S GMT")
    auth.get(f"{SPACES}/get-full-organization").respond(json=whole, headers={"date": date})
    space = await auth.client.spaces.get(ADA, slug="flat-ada-bo")
    found = space.invitation("Persona.Bo@mana.test")
    assert found is not None
    assert found.expired is expired


@pytest.mark.parametrize(
    ("response", "error", "words"),
    [
        (recorded("org-create-slug-taken"), SlugTaken, "Organization already exists"),
        (httpx.Response(400, json={"code": "ORGANIZATION_NOT_FOUND"}), NoSuchSpace, "refused (HTTP 400)"),
        (
            httpx.Response(403, json={"code": "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION"}),
            NotAMember,
            "refused (HTTP 403)",
        ),
        (recorded("org-no-session"), BadAnswer, "the session has ended"),
        (recorded("org-delete-personal"), BadAnswer, "The personal space cannot be deleted"),
        (httpx.Response(404, text="404 Not Found"), NotOffered, "the service offers no spaces (HTTP 404)"),
        (httpx.Response(500), BadAnswer, "refused with HTTP 500"),
        (httpx.Response(400, json={"message": f"no: {COOKIE}"}), BadAnswer, "refused with HTTP 400: no"),
        (httpx.Response(429, headers={"x-retry-after": "0"}), RateLimited, "asks for fewer calls"),
        (httpx.Response(200, text="<html>"), BadAnswer, "the answer is no JSON"),
        (httpx.Response(200, content=b"null"), BadAnswer, "it is no object"),
        (httpx.Response(200, json={"id": "other", "slug": "other"}), BadAnswer, "answered for another space"),
        (httpx.Response(200, json={"id": "x"}), BadAnswer, "slug is missing"),
    ],
)
async def test_what_cannot_be_done_or_understood_is_an_error_in_our_words(
    auth: FakeAuth,
    response: httpx.Response,
    error: type[ServiceError],
    words: str,
) -> None:
    auth.route(path__startswith=SPACES).mock(return_value=response)
    with pytest.raises(error) as raised:
        await auth.client.spaces.create(ADA, slug="flat-ada-bo", name="Flat", type="family")
    assert words in raised.value.message
    assert raised.value.message.startswith("creating the space flat-ada-bo: ")
    assert COOKIE not in raised.value.message


@pytest.mark.parametrize("body", [[], {}, None, [1], [{"id": "x"}], {"members": 3}, "x", 3])
async def test_no_strange_answer_is_taken_for_a_space(auth: FakeAuth, body: object) -> None:
    auth.route(path__startswith=SPACES).respond(json=body)
    invitation = {"email": "persona.bo@mana.test", "role": "member"}
    for work in (
        auth.client.spaces.get(ADA, slug="flat-ada-bo"),
        auth.client.spaces.create(ADA, slug="flat-ada-bo", name="Flat", type="family"),
        auth.client.spaces.update(ADA, FLAT, name="Flat", type="team"),
        auth.client.spaces.invite(ADA, FLAT, **invitation),
        auth.client.spaces.accept(BO, FLAT, "i1"),
        auth.client.spaces.delete(ADA, FLAT),
    ):
        with pytest.raises(ServiceError):
            await work
    if body != []:
        with pytest.raises(ServiceError):
            await auth.client.spaces.list(ADA)


async def test_a_write_that_failed_once_by_accident_is_sent_again_and_a_read_is_not(auth: FakeAuth) -> None:
    write = auth.post(f"{SPACES}/create")
    write.side_effect = [httpx.Response(500), recorded("org-create")]
    assert (
        await auth.client.spaces.create(ADA, slug="flat-ada-bo", name="Flat", type="family") == FLAT.space_id
    )
    read = auth.get(f"{SPACES}/get-full-organization").respond(500)
    with pytest.raises(BadAnswer, match="HTTP 500"):
        await auth.client.spaces.get(ADA, slug="flat-ada-bo")
    assert (write.call_count, read.call_count) == (2, 1)
