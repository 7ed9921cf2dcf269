"""Emails of the catalog that belong to other accounts."""

from __future__ import annotations

import httpx
import pytest

from personas import derive_password

from .conftest import SECRET, World, statuses
from .proxy import Answer, Edit, every

ANNA, BO = "persona.anna@mana.test", "persona.bo@mana.test"
USERS = "/api/v1/admin/users"


@pytest.mark.parametrize("command", [("seed",), ("dry-run",), ("seed", "--dry-run"), ("seed", "--force")])
@pytest.mark.parametrize("signed_in", [False, True])
def test_human_with_a_catalog_email_stops_the_run(
    world: World, command: tuple[str, ...], signed_in: bool
) -> None:
    user_id = world.sign_up(BO, name="Real Bo")
    if signed_in:
        # The look-up answers 500 for rows of users with a session.
        world.verify(BO)
        assert world.sign_in(BO, "a password of their own").status_code == 200
    world.catalog("anna", "bo")
    done = world.run(*command)
    assert done.code == 5
    assert f"{BO} belongs to an account that is not a persona. Nothing was changed." in done.all
    assert "Use another email in the catalog." in done.all
    assert world.proxy.writes == []
    assert world.live() == {}
    world.verify(BO)
    assert world.sign_in(BO, "a password of their own").json()["user"]["id"] == user_id


def test_conflict_has_no_checksum_in_any_format(world: World) -> None:
    world.sign_up(BO)
    world.catalog("anna", "bo")
    assert world.run("dry-run", "-o", "json").json["plan"]["checksum"] is None
    for form in ("text", "markdown", "github"):
        done = world.run("dry-run", "-o", form)
        assert done.code == 5
        assert "hecksum" not in done.out


def test_other_humans_of_the_domain_do_not_matter(world: World) -> None:
    world.sign_up("human@mana.test")
    world.sign_up("xpersona.anna@mana.test")
    world.sign_up("personaxanna@mana.test")
    world.catalog("anna", "bo")
    assert world.run("seed").code == 0
    assert set(world.live()) == {ANNA, BO}


def test_half_created_persona_is_completed(world: World) -> None:
    user_id = world.sign_up(ANNA, password=derive_password(ANNA, SECRET), name="Anna")
    # The password was right, but the service died before it verified the email.
    assert world.sign_in(ANNA).json()["code"] == "EMAIL_NOT_VERIFIED"
    world.catalog("anna")
    done = world.run("seed")
    assert done.code == 0, done.all
    assert world.live() == {ANNA: user_id}


def test_owner_that_cannot_be_determined_is_skipped(world: World) -> None:
    world.sign_up(BO)
    world.catalog("anna", "bo")
    limited = Answer(429, {"message": "Too many requests"}, (("x-retry-after", "400"),))
    done = world.run("seed", "-o", "json", script=every(limited, path="/sign-in/"))
    assert done.code == 6
    assert statuses(done) == {ANNA: "create", BO: "unknown"}
    assert set(world.live()) == {ANNA}


@pytest.mark.parametrize("status", [404, 405, 501])
def test_service_without_user_look_up_needs_force(world: World, status: int) -> None:
    world.catalog("anna")
    no_look_up = every(Answer(status, "Not Found"), path=USERS)
    done = world.run("seed", script=no_look_up)
    assert (done.code, world.live()) == (5, {})
    assert "--force" in done.err
    done = world.run("seed", "--force", script=no_look_up)
    assert done.code == 0, done.all
    assert set(world.live()) == {ANNA}


def test_nothing_to_create_needs_no_user_look_up(world: World) -> None:
    world.catalog("anna")
    assert world.run("seed").code == 0
    assert world.run("seed", script=every(Answer(404, "Not Found"), path=USERS)).code == 0
    assert world.proxy.count("GET", USERS) == 0


def test_look_up_with_wrong_rows_is_not_believed(world: World) -> None:
    """A service that ignores the search answers other users; a look-up by email must compare emails."""
    world.sign_up("human@mana.test")
    world.catalog("anna")

    def first_page(response: httpx.Response) -> Answer:
        body = response.json()
        body["users"] = [{"id": "x", "email": "human@mana.test"}] if "users" in body else []
        return Answer(200, body)

    assert world.run("seed", script=every(Edit(first_page), path=USERS)).code == 0
    assert set(world.live()) == {ANNA}
