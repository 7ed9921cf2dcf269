"""What becomes of shared spaces where the service, or somebody in them, does not do as planned."""

from __future__ import annotations

import json
import time

import httpx
import pytest
from fake import PERSONAS, FakeAuth, recorded
from making import make_catalog, make_live, make_live_space, make_space

from personas.reconcile.live import WRONG_PASSWORD, LookedUp, Owner, Ownership
from personas.reconcile.plan import Intent, plan
from personas.service.models import Login, LoginCheck
from personas.service.signing import SIGN_IN, SIGN_OUT
from personas.service.spaces import SPACES

from .carrying_out import DONE, FAILED, carry_out, results

pytestmark = pytest.mark.anyio

ADA, BO = "persona.ada@mana.test", "persona.bo@mana.test"
FLAT = make_space("flat", "ada", "bo")
CATALOG = make_catalog("ada", "bo", spaces=[FLAT])


@pytest.fixture
def auth(auth: FakeAuth) -> FakeAuth:
    """A service where Bo's password is not the derived one."""

    def sign_in(request: httpx.Request) -> httpx.Response:
        bo = json.loads(request.content)["email"] == BO
        return recorded("signin-wrong" if bo else "signin-cookie")

    auth.post(SIGN_IN).mock(side_effect=sign_in)
    auth.post(SIGN_OUT).respond(200)
    return auth


async def test_a_slug_that_somebody_else_has_taken_meanwhile_is_told_with_what_to_do(auth: FakeAuth) -> None:
    alone = make_catalog("ada", spaces=[make_space("flat", "ada")])
    auth.post(f"{SPACES}/create").mock(return_value=recorded("org-create-slug-taken"))
    auth.get(f"{SPACES}/list").respond(200, json=[])
    live = make_live("ada", spaces_of={ADA: ""}, slugs={"flat": Owner(Ownership.FREE)})
    applied = await carry_out(plan(alone, live), auth.client)
    assert results(applied) == [FAILED]
    message = applied.outcomes[0].message
    assert f"{ADA} is no member of it: choose another slug" in message
    assert message.endswith("or seed with --prune if a stray has it")


async def test_nothing_is_written_to_a_space_before_all_who_join_it_are_signed_in(auth: FakeAuth) -> None:
    live_flat = make_live_space(FLAT, {ADA: "owner"}, name="Old")
    live = make_live("ada", "bo", spaces=(live_flat,), spaces_of={ADA: "", BO: ""})
    applied = await carry_out(plan(CATALOG, live), auth.client)
    assert results(applied) == [FAILED]
    assert f"{BO} cannot be signed in" in applied.outcomes[0].message
    assert not [call for call in auth.calls if SPACES in call.request.url.path]


async def test_whoever_cannot_sign_in_is_removed_by_the_owner_before_being_created_again(
    auth: FakeAuth,
) -> None:
    live_flat = make_live_space(FLAT)
    removing = auth.post(f"{SPACES}/remove-member").respond(200, json={"member": {"id": "m"}})
    auth.delete(f"{PERSONAS}/id-{BO}").respond(200, json={"ok": True, "deleted": f"id-{BO}"})
    auth.post(PERSONAS).respond(200, json={"ok": True, "userId": "new"})
    auth.get(PERSONAS).respond(200, json={"personas": [{"userId": "new", "email": BO, "name": "Bo"}]})
    auth.route(path__startswith=SPACES).respond(404)
    live = make_live(
        "ada",
        "bo",
        spaces=(live_flat,),
        spaces_of={ADA: "", BO: WRONG_PASSWORD},
        logins={BO: LoginCheck(Login.WRONG_PASSWORD)},
        looked_up=LookedUp(time.monotonic(), 2),
    )
    applied = await carry_out(plan(CATALOG, live, Intent(recreate=True)), auth.client)
    assert [outcome.result for outcome in applied.outcomes if outcome.change.key == BO] == [DONE]
    assert removing.call_count == 1
