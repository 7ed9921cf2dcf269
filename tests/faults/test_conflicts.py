"""Emails of the catalog that belong to other accounts."""

from __future__ import annotations

import pytest

from personas import derive_password

from .conftest import ANNA, BO, ENDPOINT, KIM, SECRET, World, statuses
from .proxy import Answer, Request, every

USERS = "/api/v1/admin/users"
OWN_PASSWORD = "a password of their own"


@pytest.mark.parametrize("signed_in", [False, True])
def test_human_with_a_catalog_email_stops_the_run(world: World, signed_in: bool) -> None:
    user_id = world.sign_up(BO, password=OWN_PASSWORD)
    if signed_in:
        # The look-up answers 500 for rows of users with a session.
        world.verify(BO)
        assert world.sign_in(BO, OWN_PASSWORD).status_code == 200
    world.catalog("anna", "bo")
    for command in (("seed",), ("dry-run",), ("seed", "--force"), ("dry-run", "-o", "markdown")):
        done = world.run(*command)
        assert done.code == 5
        assert "belongs to an account that is not a persona" in done.all
        assert "hecksum" not in done.out
        if "-o" not in command:
            assert f"{BO} belongs to an account that is not a persona. Nothing was changed." in done.all
            assert "Use another email in the catalog." in done.all
        assert world.proxy.writes == []
    document = world.run("dry-run", "-o", "json").json
    assert (document["plan"]["checksum"], document["exitCode"]) == (None, 5)
    assert world.live() == {}
    world.verify(BO)
    assert world.sign_in(BO, OWN_PASSWORD).json()["user"]["id"] == user_id


def test_other_humans_of_the_domain_do_not_matter(world: World) -> None:
    for email in ("human@mana.test", "xpersona.anna@mana.test", "personaxanna@mana.test"):
        world.sign_up(email)
    world.seed("anna")
    assert set(world.live()) == {ANNA}


@pytest.mark.parametrize("gone", [ANNA, KIM])
def test_human_is_found_while_a_persona_is_deleted(world: World, gone: str) -> None:
    world.seed("anna", "kim")
    user_id = world.sign_up(BO)
    world.catalog("anna", "bo")
    ids = world.live()

    def delete(request: Request) -> None:
        # Then the domain has as many accounts as there were live personas.
        if request.path == f"{ENDPOINT}/{ids[ANNA]}":
            world.admin("DELETE", f"{ENDPOINT}/{ids[gone]}")

    done = world.run("seed", script=delete)
    assert done.code == 5, done.all
    assert f"{BO} belongs to an account that is not a persona. Nothing was changed." in done.all
    assert user_id not in world.live().values()


def test_half_created_persona_is_completed(world: World) -> None:
    user_id = world.sign_up(ANNA, password=derive_password(ANNA, SECRET), name="Anna")
    # The password was right, but the service died before it verified the email.
    assert world.sign_in(ANNA).json()["code"] == "EMAIL_NOT_VERIFIED"
    world.seed("anna")
    assert world.live() == {ANNA: user_id}


def test_owner_that_cannot_be_determined_is_skipped(world: World) -> None:
    world.sign_up(BO)
    world.catalog("anna", "bo")
    # The wait is longer than a run accepts, so it is not repeated.
    limited = Answer(429, {"message": "Too many requests"}, (("x-retry-after", "400"),))
    done = world.run("seed", "-o", "json", script=every(limited, path="/sign-in/"))
    assert done.code == 6
    assert statuses(done) == {ANNA: "create", BO: "unknown"}
    assert set(world.live()) == {ANNA}


def test_only_a_creation_needs_force_without_user_look_up(world: World) -> None:
    world.catalog("anna")
    no_look_up = every(Answer(404, "Not Found"), path=USERS)
    done = world.run("seed", script=no_look_up)
    assert (done.code, world.live()) == (5, {})
    assert "--force" in done.err
    done = world.run("seed", "--force", script=no_look_up)
    assert done.code == 0, done.all
    assert set(world.live()) == {ANNA}
    assert world.run("seed", script=no_look_up).code == 0
    assert world.proxy.count("GET", USERS) == 0
