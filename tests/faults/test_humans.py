"""A human is never turned into a persona, and never deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from original import Original

from .faultserver import Answer, Fault, Script, Seen, Stall, fault_server
from .world import World, email_of, entry, environment, run, world, write_catalog

LOOK_UP = "/api/v1/admin/users"
SIGN_IN = "/api/auth/sign-in/email"


@pytest.fixture(scope="module")
def _one_swallower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("swallower"), app=Original) as made:
        yield made


@pytest.fixture
def swallower(_one_swallower: World) -> World:
    """The form that is as wrong as the original: only the client's own checks protect humans."""
    _one_swallower.start_anew()
    return _one_swallower


def answering(path: str, fault: Fault) -> Script:
    """A script that answers one path so, and forwards the rest."""
    return lambda seen: fault if seen.path == path else None


def written(seen: list[Seen]) -> list[str]:
    return [one.target for one in seen if one.method in {"POST", "DELETE"} and "/personas" in one.path]


def test_a_humans_email_is_found_among_5000_users_before_anything_is_written(
    swallower: World, tmp_path: Path
) -> None:
    swallower.add_users([f"u{number}@mana.test" for number in range(5_000)])
    before = swallower.humans()
    catalog = write_catalog(tmp_path, ["new", "u4321", "other"])
    with fault_server(upstream=swallower.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, swallower.token))
        assert written(proxy.seen) == []
    assert ended.code == 5, ended
    assert "u4321@mana.test" in ended.err
    assert "nothing was written" in ended.err
    assert swallower.humans() == before
    assert swallower.personas == set()


def test_a_human_whose_email_was_stored_in_upper_case_is_found(swallower: World, tmp_path: Path) -> None:
    swallower.add_humans("ada")
    catalog = write_catalog(tmp_path, ["ada"])

    def shout(seen: Seen) -> Fault | None:
        if seen.path != LOOK_UP:
            return None
        user = {"id": "u1", "email": "ADA@Mana.Test", "name": "Ada"}
        return Answer(200, {"users": [user], "total": 1, "page": 1, "limit": 100})

    with fault_server(shout, swallower.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, swallower.token))
        assert written(proxy.seen) == []
    assert ended.code == 5, ended
    assert swallower.personas == set()


def test_an_upper_case_catalog_email_is_refused_before_anything_is_sent(
    swallower: World, tmp_path: Path
) -> None:
    catalog = write_catalog(tmp_path, [entry("Ada@mana.test")])
    with fault_server(upstream=swallower.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, swallower.token))
        assert proxy.seen == []
    assert ended.code == 3, ended


def test_an_email_that_is_a_part_of_a_humans_email_is_not_mistaken_for_it(
    swallower: World, tmp_path: Path
) -> None:
    # So many that the look-up has to ask for each email, and the answers hold more than was meant.
    swallower.add_users([f"x{number}ada@mana.test" for number in range(250)])
    catalog = write_catalog(tmp_path, ["ada", "x7ada"])
    ended = run("seed", "-c", catalog, env=environment(swallower.url, swallower.token))
    assert ended.code == 5, ended
    assert "x7ada@mana.test" in ended.err
    assert ": ada@mana.test" not in ended.err
    only = run("seed", "-c", catalog, "--only", "ada", env=environment(swallower.url, swallower.token))
    assert only.code == 0, only
    assert swallower.personas == {"ada@mana.test"}


@pytest.mark.parametrize("status", [404, 405, 501])
def test_where_no_look_up_is_offered_the_report_says_that_it_was_not_made(
    swallower: World, tmp_path: Path, status: int
) -> None:
    catalog = write_catalog(tmp_path, ["new"])
    with fault_server(answering(LOOK_UP, Answer(status, "404 Not Found")), swallower.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, swallower.token))
    assert ended.code == 0, ended
    assert "was not checked" in ended.out
    assert "could not be checked before" in ended.out
    assert swallower.personas == {"new@mana.test"}


def test_where_no_look_up_is_offered_another_name_afterwards_tells_of_a_swallowed_account(
    swallower: World, tmp_path: Path
) -> None:
    swallower.add_humans("erin")
    catalog = write_catalog(tmp_path, [entry("erin", name="Another"), "new"])
    with fault_server(answering(LOOK_UP, Answer(404)), swallower.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, swallower.token))
        looked = [seen for seen in proxy.seen if seen.target == "GET /api/v1/admin/personas"]
    assert ended.code == 6, ended
    assert ended.results() == {"failed": 1, "done": 1}
    assert "may be somebody else's account" in ended.out
    # The question that was not answered, the list afterwards, the password of the one that has another name.
    assert len(looked) == 2
    assert ended.document()["safetyRequests"] == 3


def test_a_forbidden_look_up_ends_the_run_with_nothing_written(swallower: World, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, ["new"])
    forbidden = Answer(403, {"error": "Forbidden", "message": "Admin access required"})
    with fault_server(answering(LOOK_UP, forbidden), swallower.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, swallower.token))
        assert written(proxy.seen) == []
    assert ended.code == 4, ended
    assert "forbids" in ended.err


def test_a_look_up_that_is_too_slow_is_not_known_and_not_written_and_the_rest_is_done(
    swallower: World, tmp_path: Path
) -> None:
    swallower.add_personas("old")
    catalog = write_catalog(tmp_path, ["new", entry("old", archetype="changed")])
    with fault_server(answering(LOOK_UP, Stall()), swallower.url) as proxy:
        ended = run("seed", "-c", catalog, "--timeout", "1", env=environment(proxy.url, swallower.token))
        bodies = [seen.json()["email"] for seen in proxy.to("POST", "/personas")]
    assert ended.code == 6, ended
    assert bodies == ["old@mana.test"]
    assert "not known" in ended.out
    assert swallower.personas == {"old@mana.test"}


@pytest.mark.parametrize(
    "refusal",
    [
        Answer(429, {"message": "Too many requests"}, (("X-Retry-After", "1800"),)),
        Answer(429, {"error": "Account locked", "remainingSeconds": 1800}),
        Answer(401, "<html>a proxy of the company wants to know who you are</html>"),
        Answer(403, {"message": "Invalid origin", "code": "INVALID_ORIGIN"}),
        Answer(500, {"message": "boom"}),
        Answer(200, {"ok": True}),
        Answer(302, "", (("location", "/"),)),
        Stall(),
    ],
    ids=["rate-limit", "lock", "foreign-401", "foreign-403", "500", "200-without-session", "302", "stall"],
)
def test_a_check_of_ownership_that_got_no_true_answer_is_not_known_and_not_written(
    swallower: World, tmp_path: Path, refusal: Fault
) -> None:
    swallower.add_humans("erin")
    before = swallower.humans()
    catalog = write_catalog(tmp_path, ["erin", "new"])
    with fault_server(answering(SIGN_IN, refusal), swallower.url) as proxy:
        ended = run(
            *("seed", "-c", catalog, "--timeout", "1", "-o", "json"),
            env=environment(proxy.url, swallower.token),
        )
        tried = proxy.to("POST", SIGN_IN)
    assert ended.code == 6, ended
    states = {change["email"]: change["state"] for change in ended.document()["plan"]["changes"]}
    assert states == {"erin@mana.test": "not-known", "new@mana.test": "create"}
    assert swallower.humans() == before
    assert swallower.personas == {"new@mana.test"}
    assert len(tried) == 1


def test_a_half_created_persona_of_ours_is_healed(swallower: World, tmp_path: Path) -> None:
    swallower.add_half_created("half")
    assert swallower.personas == set()
    catalog = write_catalog(tmp_path, ["half"])
    env = environment(swallower.url, swallower.token)
    preview = run("dry-run", "-c", catalog, env=env)
    assert "heals a half-created persona" in preview.out
    ended = run("seed", "-c", catalog, env=env)
    assert ended.code == 0, ended
    assert swallower.personas == {"half@mana.test"}
    assert run("seed", "-c", catalog, "--check-login", env=env).code == 0


def test_the_services_own_refusal_of_a_human_is_told_and_stops_nobody_else(
    real: World, tmp_path: Path
) -> None:
    # The human signs up between the look-up and the write: the service is all that is left.
    catalog = write_catalog(tmp_path, ["late", "new"])

    def sign_up(seen: Seen) -> Fault | None:
        if seen.method == "POST" and seen.json()["email"] == "late@mana.test" and not real.emails("human"):
            real.add_humans("late")
        return None

    with fault_server(sign_up, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 6, ended
    assert ended.results() == {"failed": 1, "done": 1}
    assert real.personas == {"new@mana.test"}


LOCALS = st.sampled_from([f"p{number}" for number in range(6)])
KINDS = st.sampled_from(["nobody", "human", "half-created", "persona", "locked-out"])


@given(
    people=st.dictionaries(LOCALS, KINDS, min_size=1),
    catalog=st.sets(LOCALS, min_size=1),
    renamed=st.booleans(),
    signed_in=st.sets(LOCALS),
    commands=st.lists(
        st.sampled_from(
            [
                ("seed",),
                ("seed", "--prune", "--yes"),
                ("seed", "--recreate", "--yes"),
                ("seed", "--recreate", "--check-login", "--prune", "--force", "--yes"),
                ("cleanup", "--yes"),
                ("cleanup", "--yes", "--force"),
            ]
        ),
        min_size=1,
        max_size=3,
    ),
)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
def test_no_humans_row_changes_whatever_mix_of_people_there_is_and_whatever_is_run(
    swallower: World,
    tmp_path: Path,
    people: dict[str, str],
    catalog: set[str],
    renamed: bool,
    signed_in: set[str],
    commands: list[tuple[str, ...]],
) -> None:
    swallower.start_anew()
    by_kind = {
        kind: [email_of(p) for p, k in sorted(people.items()) if k == kind] for kind in people.values()
    }
    swallower.add_users(by_kind.get("human", []))
    swallower.add_users(["somebody@example.com", "p1.of.another@mana.test"])
    swallower.add_users(by_kind.get("half-created", []), "derived")
    swallower.add_users(by_kind.get("persona", []), "derived", kind="persona")
    swallower.add_users(by_kind.get("locked-out", []), kind="persona")
    swallower.add_users(["elsewhere@example.org"], kind="persona")
    swallower.add_sessions(*sorted(signed_in))
    before = {
        key: rows
        for key, rows in swallower.humans().items()
        if rows[0]["email"] not in by_kind.get("half-created", [])
    }
    assert len(before) == len(by_kind.get("human", [])) + 3  # and the admin

    entries = [entry(local, **({"name": "Renamed"} if renamed else {})) for local in sorted(catalog)]
    path = write_catalog(tmp_path, entries)
    for command in commands:
        ended = run(*command, "-c", path, env=environment(swallower.url, swallower.token))
        assert ended.code in {0, 5, 6}, ended
    after = swallower.humans()
    assert {key: after.get(key) for key in before} == before
