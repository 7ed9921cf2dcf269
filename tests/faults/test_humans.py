"""A human is never turned into a persona, and never deleted."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .faultserver import Answer, Fault, Requests, Stall, nothing, when
from .world import LOOK_UP, OTHER_PASSWORD, PERSONAS, SIGN_IN, World, entry

# The form that is as wrong as the original: only the client's own checks protect humans.
swallowing = pytest.mark.parametrize("_one_world", ["original"], indirect=True, scope="session")


def written(seen: Requests) -> Requests:
    return seen.to("POST|DELETE", PERSONAS)


@swallowing
def test_a_humans_email_is_found_among_5000_users_before_anything_is_written(real: World) -> None:
    real.add_humans(*(f"u{number}" for number in range(5_000)))
    before = real.humans()
    real.write_catalog("new", "u4321", "other")
    ended = real.run("seed", through=nothing, exits=5)
    assert written(ended.seen) == []
    assert "u4321@mana.test" in ended.err
    assert "nothing was written" in ended.err
    assert real.humans() == before
    assert real.personas == set()


@swallowing
def test_a_human_whose_email_was_stored_in_upper_case_is_found(real: World) -> None:
    real.add_humans("ada")
    real.write_catalog("ada")
    user = {"id": "u1", "email": "ADA@Mana.Test", "name": "Ada"}
    shout = Answer(200, {"users": [user], "total": 1, "page": 1, "limit": 100})
    ended = real.run("seed", through=when(LOOK_UP, then=shout), exits=5)
    assert written(ended.seen) == []
    assert real.personas == set()


@swallowing
def test_an_email_that_is_a_part_of_a_humans_email_is_not_mistaken_for_it(real: World) -> None:
    # So many that the look-up has to ask for each email, and the answers hold more than was meant.
    real.add_humans(*(f"x{number}ada" for number in range(250)))
    real.write_catalog("ada", "x7ada")
    ended = real.run("seed", exits=5)
    assert "x7ada@mana.test" in ended.err
    assert ": ada@mana.test" not in ended.err
    real.run("seed", "--only", "ada")
    assert real.personas == {"ada@mana.test"}


@swallowing
@pytest.mark.parametrize("status", [404, 405, 501])
def test_where_no_look_up_is_offered_the_report_says_that_it_was_not_made(real: World, status: int) -> None:
    real.write_catalog("new")
    ended = real.run("seed", through=when(LOOK_UP, then=Answer(status, "404 Not Found")))
    assert "was not checked" in ended.out
    assert "could not be checked before" in ended.out
    assert real.personas == {"new@mana.test"}


@swallowing
def test_where_no_look_up_is_offered_another_name_afterwards_tells_of_a_swallowed_account(
    real: World,
) -> None:
    real.add_humans("erin")
    real.write_catalog(entry("erin", name="Another"), "new")
    ended = real.run("seed", "-o", "json", through=when(LOOK_UP, then=Answer(404)), exits=6)
    assert ended.results() == {"failed": 1, "done": 1}
    assert "may be somebody else's account" in ended.out
    # The question that was not answered, the list afterwards, the password of the one that has another name.
    assert len(ended.seen.to(f"GET {PERSONAS}$")) == 2
    assert ended.document()["safetyRequests"] == 3


@swallowing
def test_a_forbidden_look_up_ends_the_run_with_nothing_written(real: World) -> None:
    real.write_catalog("new")
    forbidden = Answer(403, {"error": "Forbidden", "message": "Admin access required"})
    ended = real.run("seed", through=when(LOOK_UP, then=forbidden), exits=4)
    assert written(ended.seen) == []
    assert "forbids" in ended.err


@swallowing
def test_a_look_up_that_is_too_slow_is_not_known_and_not_written_and_the_rest_is_done(real: World) -> None:
    real.add_personas("old")
    real.write_catalog("new", entry("old", archetype="changed"))
    ended = real.run("seed", "--timeout", "1", through=when(LOOK_UP, then=Stall()), exits=6)
    assert [seen.email for seen in written(ended.seen)] == ["old@mana.test"]
    assert "not known" in ended.out
    assert real.personas == {"old@mana.test"}


@swallowing
@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(
            Answer(429, {"message": "Too many requests"}, (("X-Retry-After", "1800"),)), id="rate-limit"
        ),
        pytest.param(Answer(429, {"error": "Account locked", "remainingSeconds": 1800}), id="lock"),
        pytest.param(
            Answer(401, "<html>a proxy of the company wants to know who you are</html>"), id="foreign-401"
        ),
        pytest.param(Answer(403, {"message": "Invalid origin", "code": "INVALID_ORIGIN"}), id="foreign-403"),
        pytest.param(Answer(500, {"message": "boom"}), id="500"),
        pytest.param(Answer(200, {"ok": True}), id="200-without-session"),
        pytest.param(Answer(302, "", (("location", "/"),)), id="302"),
        pytest.param(Stall(), id="stall"),
    ],
)
def test_a_check_of_ownership_that_got_no_true_answer_is_not_known_and_not_written(
    real: World, refusal: Fault
) -> None:
    real.add_humans("erin")
    before = real.humans()
    real.write_catalog("erin", "new")
    script = when(SIGN_IN, then=refusal)
    ended = real.run("seed", "--timeout", "1", "-o", "json", through=script, exits=6)
    assert ended.states() == {"erin@mana.test": "not-known", "new@mana.test": "create"}
    assert real.humans() == before
    assert real.personas == {"new@mana.test"}
    assert len(ended.seen.to(SIGN_IN)) == 1


LOCALS = st.sampled_from([f"p{number}" for number in range(6)])
COMMANDS = [
    ("seed",),
    ("seed", "--prune", "--yes"),
    ("seed", "--recreate", "--yes"),
    ("seed", "--recreate", "--check-login", "--prune", "--force", "--yes"),
    ("cleanup", "--yes"),
    ("cleanup", "--yes", "--force"),
]


@swallowing
@given(
    people=st.dictionaries(
        LOCALS,
        st.sampled_from(["nobody", "human", "half-created", "persona", "locked-out"]),
        min_size=1,
    ),
    catalog=st.sets(LOCALS, min_size=1),
    renamed=st.booleans(),
    signed_in=st.sets(LOCALS),
    commands=st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=3),
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
def test_no_humans_row_changes_whatever_mix_of_people_there_is_and_whatever_is_run(
    real: World,
    people: dict[str, str],
    catalog: set[str],
    renamed: bool,
    signed_in: set[str],
    commands: list[tuple[str, ...]],
) -> None:
    def of(kind: str) -> list[str]:
        return sorted(local for local, its in people.items() if its == kind)

    real.start_anew()
    real.add_humans(*of("human"), "somebody@example.com", "p1.of.another")
    before = real.humans()
    assert len(before) == len(of("human")) + 3  # and the admin
    real.add_half_created(*of("half-created"))
    real.add_personas(*of("persona"))
    real.add_personas(*of("locked-out"), "elsewhere@example.org", password=OTHER_PASSWORD)
    real.add_sessions(*sorted(signed_in))
    real.write_catalog(*(entry(one, **({"name": "Renamed"} if renamed else {})) for one in sorted(catalog)))
    for command in commands:
        assert real.run(*command, exits=None).code in {0, 5, 6}
    after = real.humans()
    assert {key: after.get(key) for key in before} == before
