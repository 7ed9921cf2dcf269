"""Shared spaces: a run that was cut anywhere is completed by the next, and nobody else's space is touched."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import catalog_json, make_catalog, make_persona, make_space

from personas.catalog.models import Catalog, Member, Role, SpaceType
from personas.embedded import schema as tables
from personas.errors import ServiceError
from personas.reconcile.apply import apply
from personas.reconcile.outcome import Applied, Result
from personas.reconcile.owners import Passwords
from personas.reconcile.plan import Intent, Plan, plan
from personas.reconcile.survey import survey
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.transport import Patience

from .faultserver import Answer, Fault, Hold, Reset, Script, Seen, fault_server
from .world import SECRET, Ended, World, both_worlds, end_of, environment, run, started

QUICK = Patience(attempts=3, first_attempts=2, wait_initial=0.001, wait_max=0.002)
ADA, BO, CY = (f"persona.{who}@mana.test" for who in ("ada", "bo", "cy"))
SHARED = make_catalog(
    "ada", "bo", "cy", spaces=[make_space("flat", "ada", "bo"), make_space("desk", "cy", "bo")]
)
EDITED = make_catalog(
    "ada",
    "bo",
    "cy",
    spaces=[
        make_space("flat", "bo", Member(email=CY, role=Role.ADMIN), name="Another", type=SpaceType.CLUB),
        make_space("desk", "cy", Member(email=BO, role=Role.ADMIN), "ada"),
    ],
)
PAIR = make_catalog("ada", "bo", spaces=[make_space("flat", "ada", "bo")])
RENAMED = make_catalog(
    make_persona("ada", name="Ada II"), make_persona("bo", name="Bo II"), spaces=PAIR.spaces
)


class Killed(Exception):
    """The process is gone."""


@dataclass
class Tool:
    """Runs of the tool in this process, on a service in this process."""

    world: World
    workers: int = 8
    cut_after: int | None = None
    lines: list[str] = field(default_factory=list)

    def run(self, catalog: Catalog, intent: Intent | None = None, *, secret: str | None = SECRET) -> Applied:
        made: list[Applied] = []

        async def work() -> None:
            async with self.service() as service:
                given = Secret(secret) if secret else None
                async with Passwords(service, given) as passwords:
                    read = await self.read(service, catalog, intent, passwords)
                    made.append(
                        await apply(
                            read, service, given or Secret(""), passwords=passwords, workers=self.workers
                        )
                    )

        anyio.run(work)
        return made[0]

    def plan(self, catalog: Catalog, intent: Intent | None = None) -> Plan:
        async def work() -> Plan:
            async with self.service() as service, Passwords(service, Secret(SECRET)) as passwords:
                return await self.read(service, catalog, intent, passwords)

        return anyio.run(work)

    async def read(
        self, service: AuthService, catalog: Catalog, intent: Intent | None, passwords: Passwords
    ) -> Plan:
        intent = intent or Intent()
        everybody = intent.prune or intent.recreate or intent.purpose == "cleanup"
        live = await survey(
            service,
            catalog,
            details=intent.purpose == "seed",
            owners=intent.purpose == "seed",
            everybodys_spaces=everybody,
            passwords=passwords,
            workers=self.workers,
        )
        return plan(catalog, live, intent)

    def service(self) -> AuthService:
        self.lines.clear()

        def observe(method: str, path: str, told: int | ServiceError, seconds: float) -> None:
            del seconds
            assert told != 500 or "get-full-organization" in path, (method, path)
            self.lines.append(f"{method} {path}")
            if self.cut_after is not None and len(self.lines) >= self.cut_after:
                raise Killed

        return AuthService(
            "http://localhost:3001",
            Credentials(mint=self.world.embedded.admin_token),
            app=self.world.embedded.app,
            patience=QUICK,
            observe=observe,
        )

    def writes(self) -> list[str]:
        signing = ("POST /api/auth/sign-in/", "POST /api/auth/sign-out")
        return [line for line in self.lines if not line.startswith(("GET ", *signing))]


def shared(world: World) -> dict[str, Any]:
    """Every shared space as the database has it: name, type, and the role of each member."""
    emails = {row["id"]: row["email"] for row in world.rows(tables.users)}
    roles: dict[str, dict[str, str]] = {}
    for row in world.rows(tables.members):
        roles.setdefault(row["organization_id"], {})[emails[row["user_id"]]] = row["role"]
    return {
        row["slug"]: (row["name"], row["metadata"]["type"], roles.get(row["id"], {}))
        for row in world.rows(tables.organizations)
        if row["metadata"]["type"] != "personal"
    }


def wanted(catalog: Catalog) -> dict[str, Any]:
    return {
        space.slug: (
            space.name,
            str(space.type),
            {space.owner: "owner", **{member.email: str(member.role) for member in space.members}},
        )
        for space in catalog.spaces
    }


def assert_all_done(applied: Applied) -> None:
    assert applied.error is None
    assert {outcome.message for outcome in applied.outcomes if outcome.result is not Result.DONE} == set()


def cuts(tool: Tool, catalog: Catalog, intent: Intent | None = None) -> Iterator[int]:
    """Cut a run after its first request, its second, …, until it comes to its end; tell after which."""
    number = 0
    while True:
        number += 1
        tool.cut_after = number
        try:
            tool.run(catalog, intent)
        except Killed:
            tool.cut_after = None
            yield number
        else:
            tool.cut_after = None
            return


@both_worlds
def test_spaces_are_made_with_their_people_and_a_second_run_writes_nothing(real: World) -> None:
    tool = Tool(real)
    assert_all_done(tool.run(SHARED))
    assert shared(real) == wanted(SHARED)
    assert tool.lines.count("POST /api/auth/sign-in/email") == 3
    assert tool.lines.count("POST /api/auth/sign-out") == 3
    assert real.rows(tables.sessions) == []
    again = tool.run(SHARED)
    assert again.outcomes == ()
    assert tool.writes() == []
    # The owners alone are asked, once each, the check of the secret included.
    assert tool.lines.count("POST /api/auth/sign-in/email") == 2
    assert real.rows(tables.sessions) == []
    assert tool.plan(SHARED).in_sync


@both_worlds
def test_a_first_seed_that_was_cut_after_any_request_is_completed_by_the_next(real: World) -> None:
    tool = Tool(real, workers=1)
    number = 0
    for number in cuts(tool, SHARED):
        assert_all_done(tool.run(SHARED))
        assert shared(real) == wanted(SHARED), number
        real.start_anew()
    assert number >= 20


@pytest.mark.parametrize("_one_world", ["original"], indirect=True, scope="session")
@pytest.mark.parametrize(
    ("before", "catalog", "intent"),
    [(SHARED, EDITED, Intent(prune=True)), (PAIR, RENAMED, Intent(recreate=True))],
    ids=["edited", "created-again"],
)
def test_a_change_that_was_cut_after_any_request_is_completed_by_the_next(
    real: World, before: Catalog, catalog: Catalog, intent: Intent
) -> None:
    tool = Tool(real, workers=1)
    tool.run(before)
    number = 0
    for number in cuts(tool, catalog, intent):
        assert_all_done(tool.run(catalog, intent))
        assert shared(real) == wanted(catalog), number
        assert tool.plan(catalog, intent).in_sync, number
        real.start_anew()
        tool.run(before)
    assert number >= 20
    assert shared(real) == wanted(catalog)


@both_worlds
def test_a_cleanup_that_was_cut_after_any_request_is_completed_by_the_next(real: World) -> None:
    tool = Tool(real, workers=1)
    tool.run(SHARED)
    number = 0
    for number in cuts(tool, SHARED, Intent(purpose="cleanup")):
        assert_all_done(tool.run(SHARED, Intent(purpose="cleanup")))
        assert shared(real) == {}, number
        assert real.personas == set(), number
        tool.run(SHARED)
    assert number >= 15
    assert shared(real) == {}


# As whole commands

SPACES = "/api/auth/organization"
HUMAN = "somebody@else.test"


def write(folder: Path, catalog: Catalog, name: str = "catalog.json") -> Path:
    path = folder / name
    path.write_text(catalog_json(catalog.personas, catalog.spaces), encoding="utf-8")
    return path


def add_human_to(real: World, slug: str, role: str = "member") -> None:
    """Somebody who is no persona shares a space; they joined it by a way of their own."""
    real.add_users([HUMAN])
    human = next(row["id"] for row in real.rows(tables.users) if row["email"] == HUMAN)
    space = next(row["id"] for row in real.rows(tables.organizations) if row["slug"] == slug)
    now = dt.datetime.now(dt.UTC)
    values = {"id": "m1", "organization_id": space, "user_id": human, "role": role, "created_at": now}
    real.write(lambda c: c.execute(sa.insert(tables.members).values(**values)))


def failing_once(path: str, fault: Fault) -> Script:
    met: list[str] = []

    def script(seen: Seen) -> Fault | None:
        if seen.path != path or met:
            return None
        met.append(path)
        return fault

    return script


WAIT = Answer(429, b"", (("retry-after", "0"),))
FAULTS: list[Fault] = [Reset("lost"), Reset("before"), Answer(500), Answer(502), WAIT]


@both_worlds
@pytest.mark.parametrize("call", ["create", "invite-member", "accept-invitation", "get-full-organization"])
def test_a_call_of_a_first_seed_that_meets_a_fault_is_done_in_the_end(
    real: World, tmp_path: Path, call: str
) -> None:
    catalog = write(tmp_path, SHARED)
    for fault in FAULTS:
        real.start_anew()
        with fault_server(failing_once(f"{SPACES}/{call}", fault), real.url) as proxy:
            ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
        if call == "get-full-organization" and fault == Answer(500):
            # It stays so on the real service once a member was deleted: not asked again, told.
            assert ended.code == 6, ended
            ended = run("seed", "-c", catalog, "-o", "json", env=environment(real.url, real.token))
        assert ended.code == 0, (fault, ended)
        assert shared(real) == wanted(SHARED), fault


@both_worlds
@pytest.mark.parametrize("call", ["update", "update-member-role", "remove-member", "invite-member"])
def test_a_call_of_a_change_that_meets_a_fault_is_done_in_the_end(
    real: World, tmp_path: Path, call: str
) -> None:
    catalog = write(tmp_path, EDITED)
    for fault in FAULTS:
        real.start_anew()
        Tool(real).run(SHARED)
        with fault_server(failing_once(f"{SPACES}/{call}", fault), real.url) as proxy:
            ended = run("seed", "-c", catalog, "--prune", "--yes", env=environment(proxy.url, real.token))
        assert ended.code == 0, (fault, ended)
        assert shared(real) == wanted(EDITED), fault


@both_worlds
def test_a_deletion_that_meets_a_fault_is_done_in_the_end(real: World, tmp_path: Path) -> None:
    catalog = write(tmp_path, SHARED)
    for fault in FAULTS:
        real.start_anew()
        Tool(real).run(SHARED)
        with fault_server(failing_once(f"{SPACES}/delete", fault), real.url) as proxy:
            ended = run("cleanup", "-c", catalog, "--yes", env=environment(proxy.url, real.token))
        assert ended.code == 0, (fault, ended)
        assert shared(real) == {}, fault
        assert real.personas == set(), fault


@both_worlds
def test_an_invitation_that_has_expired_is_given_anew(real: World, tmp_path: Path) -> None:
    tool = Tool(real, workers=1)
    catalog = write(tmp_path, SHARED)
    for _ in cuts(tool, SHARED):
        if any(row["status"] == "pending" for row in real.rows(tables.invitations)):
            break
        real.start_anew()
    past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    real.write(lambda c: c.execute(sa.update(tables.invitations).values(expires_at=past)))
    token = real.token
    shown = run("dry-run", "-c", catalog, "-o", "json", env=environment(real.url, token))
    changed = [change for change in shown.document()["plan"]["changes"] if change["state"] == "update"]
    assert [[field["old"] for field in change["fields"]] for change in changed] == [["invitation expired"]]
    ended = run("seed", "-c", catalog, env=environment(real.url, token))
    assert ended.code == 0, ended
    assert shared(real) == wanted(SHARED)


@both_worlds
def test_a_space_of_somebody_else_with_the_slug_stops_everything_and_is_not_touched(
    real: World, tmp_path: Path
) -> None:
    Tool(real).run(make_catalog("ada", "bo", "cy"))
    now = dt.datetime.now(dt.UTC)
    theirs = {"id": "o1", "name": "Theirs", "slug": "flat", "metadata": {"type": "team"}, "created_at": now}
    real.write(lambda c: c.execute(sa.insert(tables.organizations).values(**theirs)))
    add_human_to(real, "flat", "owner")
    before = shared(real)
    catalog, said = write(tmp_path, SHARED), ("--prune", "--force", "--yes")
    ended = run("seed", "-c", catalog, *said, env=environment(real.url, real.token))
    assert ended.code == 5, ended
    assert "one catalog space belongs to somebody who is not one of ours: flat" in ended.err
    assert shared(real) == before


@both_worlds
def test_a_space_with_a_human_in_it_is_not_deleted_and_its_owner_is_kept(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)
    add_human_to(real, "flat")
    humans = real.humans()
    catalog = write(tmp_path, SHARED)
    ended = run("cleanup", "-c", catalog, "--yes", "-o", "json", env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert real.personas == {ADA}
    assert shared(real) == {"flat": ("Flat", "family", {ADA: "owner", HUMAN: "member"})}
    reasons = {change["email"]: change["reason"] for change in ended.document()["plan"]["changes"]}
    assert reasons["flat"] == f"{HUMAN} is a member and no persona: never deleted"
    assert "left alone without --force" in reasons[ADA]
    ended = run("cleanup", "-c", catalog, "--yes", "--force", env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert real.personas == set()
    assert set(shared(real)) == {"flat"}
    assert real.humans() == humans


@both_worlds
def test_somebody_who_joins_between_plan_and_deletion_keeps_the_space(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)

    def join(seen: Seen) -> Fault | None:
        if seen.path == f"{SPACES}/get-full-organization":
            asked.append(seen.query)
            if len(asked) == 3 and HUMAN not in real.emails("human"):
                add_human_to(real, "flat")
        return None

    asked: list[str] = []
    with fault_server(join, real.url) as proxy:
        ended = run(
            "cleanup",
            "-c",
            write(tmp_path, SHARED),
            "--yes",
            "-o",
            "json",
            env=environment(proxy.url, real.token),
        )
    assert ended.code == 6, ended
    assert "flat" in shared(real)
    assert ADA in real.personas
    told = {outcome["email"]: outcome["message"] for outcome in ended.document()["outcomes"]}
    assert told["flat"] == f"{HUMAN} joined the space flat meanwhile: it is not deleted"
    assert told[ADA] == f"{ADA} is kept: its space flat could not be deleted"


@both_worlds
def test_a_member_who_is_deleted_leaves_first_for_else_nobody_could_read_the_space(
    real: World, tmp_path: Path
) -> None:
    Tool(real).run(SHARED)
    alone = make_catalog(
        "ada", "cy", spaces=[make_space("flat", "ada", "cy"), make_space("desk", "cy", "ada")]
    )
    catalog = write(tmp_path, alone)
    ended = run("seed", "-c", catalog, "--prune", "--yes", env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert shared(real) == wanted(alone)
    calm = run("dry-run", "-c", catalog, "--fail-on-drift", env=environment(real.url, real.token))
    assert calm.code == 0, calm
    ended = run("cleanup", "-c", catalog, "--only", "cy", "--yes", env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert shared(real) == {"flat": ("Flat", "family", {ADA: "owner"})}


def test_a_space_that_the_service_can_no_longer_show_is_told_as_not_known(
    tmp_path: Path, real: World
) -> None:
    Tool(real).run(SHARED)
    catalog = write(tmp_path, SHARED)
    with fault_server(lambda seen: Answer(500) if "get-full" in seen.path else None, real.url) as proxy:
        env = environment(proxy.url, real.token)
        ended = run("seed", "-c", catalog, "-o", "json", env=env)
        assert ended.code == 6, ended
        states = {change["email"]: change["state"] for change in ended.document()["plan"]["changes"]}
        assert states["flat"] == states["desk"] == "not-known"
        ended = run("cleanup", "-c", catalog, "--yes", env=env)
        assert ended.code == 6, ended
        assert real.personas == {ADA, BO, CY}
        ended = run("cleanup", "-c", catalog, "--yes", "--force", env=env)
        assert ended.code == 6, ended
        assert real.personas == set()


STRANGE: list[Fault] = [
    Answer(404, b"404 Not Found"),
    Answer(403, {"message": "no"}),
    Answer(401, {"code": "UNAUTHORIZED"}),
    Answer(200, b"<html>"),
    Answer(200, {"spaces": 3}),
    Answer(200, [{"id": 3}]),
    Answer(302, b"", (("location", "http://127.0.0.1:1/"),)),
    Answer(429, b"", (("x-retry-after", "1000000"),)),
]


@pytest.mark.parametrize("fault", STRANGE)
@pytest.mark.parametrize("call", ["list", "get-full-organization"])
def test_no_strange_answer_is_told_as_in_sync_or_as_missing(
    real: World, tmp_path: Path, call: str, fault: Fault
) -> None:
    Tool(real).run(SHARED)
    before = shared(real)
    catalog = write(tmp_path, SHARED)
    with fault_server(lambda seen: fault if seen.path == f"{SPACES}/{call}" else None, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 6, ended
    states = {change["email"]: change["state"] for change in ended.document()["plan"]["changes"]}
    assert (states["flat"], states["desk"]) == ("not-known", "not-known")
    assert ended.document()["plan"]["inSync"] is False
    assert shared(real) == before


@pytest.mark.parametrize("fault", STRANGE)
def test_a_service_without_spaces_has_its_personas_seeded_and_says_what_is_missing(
    real: World, tmp_path: Path, fault: Fault
) -> None:
    catalog = write(tmp_path, SHARED)
    with fault_server(lambda seen: fault if seen.path.startswith(SPACES) else None, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 6, ended
    assert real.personas == {ADA, BO, CY}
    told = [outcome for outcome in ended.document()["outcomes"] if outcome["thing"] == "space"]
    assert {outcome["result"] for outcome in told} <= {"failed", "unknown"}
    assert len(told) == 2
    assert shared(real) == {}


@both_worlds
def test_without_the_seed_secret_spaces_are_not_known_and_stay_behind(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)
    catalog = write(tmp_path, SHARED)
    env = environment(real.url, real.token, PERSONA_SEED_SECRET=None, PERSONAS_ENV="production")
    ended = run("dry-run", "-c", catalog, "-o", "json", env=env)
    assert ended.code == 6, ended
    assert ended.document()["plan"]["counts"]["notKnown"] == 2
    before = shared(real)
    ended = run("cleanup", "-c", catalog, "--yes", "--force", "-o", "json", env=env)
    assert ended.code == 6, ended
    assert real.personas == set()
    notes = ended.document()["plan"]["notes"]
    assert any(
        note.startswith("The shared spaces of 3 personas who are deleted are not known") for note in notes
    )
    assert set(shared(real)) <= set(before)


@both_worlds
def test_personal_spaces_that_stay_behind_are_told_with_their_number(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)
    ended = run(
        "cleanup", "-c", write(tmp_path, SHARED), "--yes", "-o", "json", env=environment(real.url, real.token)
    )
    assert (
        "The personal spaces of 3 personas who were deleted may stay behind on the service, "
        "which has no call to delete them." in ended.document()["notes"]
    )


@both_worlds
def test_a_space_whose_member_could_not_be_made_is_not_half_made(real: World, tmp_path: Path) -> None:
    def refuse(seen: Seen) -> Fault | None:
        wrong = seen.method == "POST" and seen.path.endswith("/personas") and seen.json()["email"] == BO
        return Answer(400, {"error": "no"}) if wrong else None

    catalog = write(tmp_path, SHARED)
    with fault_server(refuse, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 6, ended
    told = {
        outcome["email"]: (outcome["result"], outcome["message"]) for outcome in ended.document()["outcomes"]
    }
    assert told["flat"] == told["desk"] == ("not-done", f"{BO}, who shares it, is not there")
    assert shared(real) == {}
    ended = run("seed", "-c", catalog, env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert shared(real) == wanted(SHARED)


@both_worlds
def test_a_member_who_is_locked_out_leaves_no_half_made_space(real: World, tmp_path: Path) -> None:
    real.add_personas(CY, password="another-password-1")
    catalog = write(tmp_path, SHARED)
    ended = run("seed", "-c", catalog, "-o", "json", env=environment(real.url, real.token))
    assert ended.code == 6, ended
    assert shared(real) == {key: value for key, value in wanted(SHARED).items() if key == "flat"}


@both_worlds
def test_two_seeds_at_once_make_each_space_once_and_one_more_run_is_in_sync(
    real: World, tmp_path: Path
) -> None:
    catalog = write(tmp_path, SHARED)
    go_on = threading.Event()

    def together(seen: Seen) -> Fault | None:
        if seen.path != f"{SPACES}/create":
            return None
        creations.append(seen.number)
        # Both have seen that there is no space before either of them makes one.
        if len(creations) == 4:
            go_on.set()
        return Hold(go_on)

    creations: list[int] = []
    with fault_server(together, real.url) as proxy:
        env = environment(proxy.url, real.token)
        seed = ("seed", "-c", catalog, "-o", "json")
        with started(*seed, env=env, cwd=tmp_path) as one, started(*seed, env=env, cwd=tmp_path) as other:
            ends: list[Ended] = [end_of(one), end_of(other)]
    assert [ended.code for ended in ends] == [0, 0], ends
    assert shared(real) == wanted(SHARED)
    calm = run("dry-run", "-c", catalog, "--fail-on-drift", env=environment(real.url, real.token))
    assert calm.code == 0, calm


# Whatever the catalogs

WHO = ("ada", "bo", "cy", "di")


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Some personas, and some spaces that they share."""
    people = draw(st.lists(st.sampled_from(WHO), min_size=2, unique=True))
    personas = [make_persona(who, name=draw(st.sampled_from((who, f"{who} II")))) for who in people]
    spaces = []
    for slug in draw(st.lists(st.sampled_from(("flat", "desk", "club")), unique=True)):
        owner, *others = draw(st.permutations(people))
        members = [
            Member(email=f"persona.{who}@mana.test", role=draw(st.sampled_from(Role)))
            for who in others[: draw(st.integers(0, len(others)))]
        ]
        name, kind = draw(st.sampled_from(("One", "Two"))), draw(st.sampled_from(list(SpaceType)[:2]))
        spaces.append(make_space(slug, owner, *members, name=name, type=kind))
    return make_catalog(*personas, spaces=spaces)


PROPERTY = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@both_worlds
@PROPERTY
@given(first=catalogs(), second=catalogs())
def test_whatever_is_edited_one_seed_makes_true_and_cleanup_leaves_nothing_of_ours(
    real: World, first: Catalog, second: Catalog
) -> None:
    real.start_anew()
    tool = Tool(real)
    assert_all_done(tool.run(first))
    assert shared(real) == wanted(first)
    assert tool.plan(first).in_sync
    everything = Intent(prune=True, recreate=True)
    # Where the second one has no spaces, nobody is asked for any, and those of the first one stay.
    if second.spaces:
        assert_all_done(tool.run(second, everything))
        assert shared(real) == wanted(second)
        assert tool.plan(second, everything).in_sync
        assert tool.run(second, everything).outcomes == ()
        assert_all_done(tool.run(second, Intent(purpose="cleanup")))
        assert shared(real) == {}
        assert real.personas == set()
    assert real.rows(tables.sessions) == []


@both_worlds
@PROPERTY
@given(first=catalogs(), second=catalogs())
def test_a_plain_seed_deletes_no_space_and_removes_no_member(
    real: World, first: Catalog, second: Catalog
) -> None:
    real.start_anew()
    tool = Tool(real)
    tool.run(first)
    before = {(slug, email) for slug, space in shared(real).items() for email in space[2]}
    tool.run(second)
    after = {(slug, email) for slug, space in shared(real).items() for email in space[2]}
    assert before <= after
    assert {line for line in tool.writes() if "remove-member" in line or "delete" in line} == set()
