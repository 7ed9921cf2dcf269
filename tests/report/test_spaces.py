"""Shared spaces, in every view beside the personas and never among them; what no golden shows."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from personas.errors import UsageError
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.plan import Intent, State, plan
from personas.report import Report, read_snapshot, render, step_outputs

from . import scenarios
from .reading import document, flat, obeyed, text
from .scenarios import CLEANUP, DONE, NOW, PRUNE, SHARED, SPACES, asked, everyone, mail, with_spaces


def test_what_differs_in_spaces_alone_is_a_change_too() -> None:
    found = scenarios.spaces_in_sync_live()
    told = step_outputs(with_spaces(found=replace(found, spaces=found.spaces[1:]), dry_run=True))
    assert (told["changed"], told["create"], told["in-sync"]) == ("true", "0", "10")


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            scenarios.spaces(),
            (
                "1 to create; "
                "spaces: 1 collision, 1 not known, 1 to create, 1 to update, 2 need --prune, 2 strays"
            ),
        ),
        (scenarios.spaces_seeded(), "1 created; spaces: 1 updated, 2 failed"),
        (scenarios.spaces_in_sync(), "10 personas in sync; spaces: 6 in sync"),
        (scenarios.spaces_cleanup(), "7 to delete; spaces: 3 to delete"),
        (scenarios.spaces_offline(), "10 personas, 6 spaces, compared with nothing"),
        (
            scenarios.spaces_listed(),
            (
                "9 live personas, 1 not live; "
                "spaces: 5 live, 1 collision, 1 not known, 1 not live, 2 differ, 2 strays"
            ),
        ),
    ],
)
def test_a_verdict_tells_the_personas_and_then_the_spaces(report: Report, expected: str) -> None:
    assert report.verdict == expected


def test_where_only_means_a_space_alone_nothing_is_said_of_personas() -> None:
    made = plan(SHARED, scenarios.drifted_spaces(), only="studio-*")
    report = scenarios.base("dry-run", dry_run=True, plan=made, loaded=SHARED)
    assert report.verdict == "spaces: 1 to update, 1 needs --prune"
    assert not re.search("persona.? in sync|Expected use", text(report))


def test_everything_in_sync_is_one_sentence_with_both_numbers() -> None:
    assert flat(scenarios.spaces_in_sync()).startswith(
        "✓ catalog.json and http://localhost:3001 are in sync: 10 personas, 6 spaces · "
    )


def test_pruning_tells_what_stays_all_the_same_and_what_removes_it() -> None:
    shown = flat(with_spaces(intent=PRUNE, dry_run=True))
    advice = "Members whom the catalog does not have stay. To remove them: personas seed --prune --force"
    assert f"1 space differs {advice} field-notes: " in shown
    assert "a.human@example.org, no persona, stays without --prune --force" in shown
    assert "1 stray space Not in the catalog, and left alone all the same." in shown
    assert "half-human: not in the catalog; a.human@example.org is a member and no persona" in shown


def test_cleanup_says_which_spaces_and_which_owners_stay_and_why() -> None:
    shown = flat(scenarios.spaces_cleanup())
    assert "2 live personas left alone; to delete them too: personas cleanup --force" in shown
    assert "persona.ben@mana.test: it owns the space half-human, where a.human@example.org" in shown
    assert "2 live spaces left alone:" in shown


def test_a_preview_of_deletions_tells_how_many_personal_spaces_may_stay_behind() -> None:
    note = "7 personal spaces may stay behind on the service, which has no call to delete them."
    assert note in flat(scenarios.spaces_cleanup())
    assert note in document(scenarios.spaces_cleanup())["notes"]


def test_a_space_that_waits_for_somebody_says_for_whom() -> None:
    found = scenarios.spaces_in_sync_live()
    club = scenarios.live_space("rock-club", "Rock Club", "club", "ivo:owner")
    found = replace(
        found,
        personas=scenarios.without(found.personas, "elif"),
        owners={mail("elif"): Owner(Ownership.FOREIGN)},
        spaces=tuple(club if space.slug == "rock-club" else space for space in found.spaces),
    )
    report = with_spaces(found=found, dry_run=True)
    assert "~ update Rock Club rock-club member missing; waits for persona.elif@mana.test" in flat(report)
    changes = {change["slug"]: change for change in document(report)["plan"]["spaceChanges"]}
    assert changes["rock-club"]["missing"] == [mail("elif")]


def of_alike(number: int, found: Live) -> Report:
    """A preview of many spaces that differ in the slug alone."""
    entries = [scenarios.space(f"space-{n:03}", "Ours", "team", "anna", "ben") for n in range(number)]
    return scenarios.planned("dry-run", found, read=scenarios.catalog(spaces=entries), dry_run=True)


def test_many_spaces_are_cut_like_personas() -> None:
    report = of_alike(300, Live(personas=everyone()[1:], spaces_of=asked()))
    assert "and 294 more to create (--full or -o json shows all)" in flat(report)
    assert len(text(report).splitlines()) < 60
    assert text(report, full=True).count("  + create  Ours ") == 300


def test_equal_differences_of_spaces_are_told_once() -> None:
    people = ("anna:owner", "ben:admin")
    live = tuple(scenarios.live_space(f"space-{n:03}", "Ours", "team", *people) for n in range(3))
    report = of_alike(3, Live(personas=everyone(), spaces=live, spaces_of=asked()))
    same = "3 × persona.ben@mana.test: admin → member space-000, space-001, space-002"
    assert same in flat(report)


def test_a_space_is_annotated_on_its_line() -> None:
    lines = ["", *scenarios.catalog_text(spaces=SPACES).splitlines()]
    told = {command.data.split(" (")[0]: command for command in obeyed(scenarios.spaces())}
    nord, flat_, old = told["Studio Nord"], told["The flat at the fjord"], told["The club of old"]
    assert (nord.kind, nord.properties["title"]) == ("warning", "Space differs")
    assert '"name": "Studio Nord"' in lines[int(nord.properties["line"])]
    assert (flat_.kind, flat_.properties["title"]) == ("error", "Space collision")
    assert '"slug": "fjord-flat"' in lines[int(flat_.properties["line"]) + 1]
    assert old.properties["line"] == "1"


def test_a_failed_step_about_a_space_is_an_error_that_names_it() -> None:
    told = obeyed(scenarios.spaces_seeded())
    failed = [command for command in told if command.properties["title"] == "Space failed"]
    assert [command.kind for command in failed] == ["error", "error"]
    assert failed[0].data.startswith("translations failed: the service answered 500")


def test_a_step_that_leaves_members_too_many_has_not_mended_its_space() -> None:
    report = with_spaces("seed", results=DONE)
    left = "1 created, 1 updated; left alone: 1 collision, 1 not known, 2 differ, 2 strays; 1 in sync"
    assert left in flat(report)
    assert "title=Space differs::Studio Nord" in render(report, "github")


def test_a_list_tells_spaces_where_they_were_read_and_else_that_they_were_not() -> None:
    row = r"^  ~ differs +Studio Nord +studio-nord +team +anna +3$"
    assert re.search(row, text(scenarios.spaces_listed()), re.MULTILINE)
    assert "| `team` | `persona.anna@mana.test` | 3 |" in render(scenarios.spaces_listed(), "markdown")
    made = plan(SHARED, scenarios.drifted_spaces())
    unread = scenarios.base("list", loaded=SHARED, plan=replace(made, changes=made.personas))
    assert "6 spaces of the catalog not looked at (--full does)" in flat(unread)
    assert unread.verdict == "9 live personas, 1 not live"


def test_one_persona_is_shown_with_its_spaces_and_its_role_in_each() -> None:
    shown = text(scenarios.spaces_shown())
    assert re.search(r"^  ~ differs +Studio Nord +studio-nord +team +owner$", shown, re.MULTILINE)
    assert re.search(r"^  \+ not live +翻訳 translations +translations +team +member$", shown, re.MULTILINE)
    row = "| differs | Studio Nord | `studio-nord` | `team` | owner |"
    assert row in render(scenarios.spaces_shown(), "markdown")


def test_validate_tells_how_many_spaces_a_catalog_has() -> None:
    report = scenarios.validated(SHARED)
    assert "✓ catalog.json is valid: 10 personas, 7 archetypes, 6 spaces" in flat(report)
    assert document(report)["catalogSpaces"] == 6
    assert document(scenarios.invalid())["catalogSpaces"] is None


def test_a_plan_of_spaces_against_a_snapshot_is_the_plan_against_the_service() -> None:
    found = replace(
        scenarios.drifted_spaces(),
        unread_spaces={"old-club": "the service answered 500"},
        unread_by={"old-club": (mail("ivo"),)},
        service=scenarios.SERVICE,
    )
    snapshot = read_snapshot(render(with_spaces("list", found, live=found), "json"), now=NOW)
    for intent in (Intent(), PRUNE, CLEANUP):
        expected, actual = plan(SHARED, found, intent), plan(SHARED, snapshot.live, intent)
        assert actual.changes == expected.changes
        assert actual.checksum == expected.checksum
        assert actual.notes == expected.notes


def test_a_snapshot_that_knows_no_spaces_makes_no_drift_of_them() -> None:
    found = scenarios.spaces_in_sync_live()
    told = document(with_spaces("list", found, live=found))
    for name in ("spaces", "unreadSpaces", "unreadBy", "slugs", "spacesOf", "noSpaces"):
        del told["live"][name]
    del told["plan"]["spaceCounts"], told["plan"]["spaceChanges"]
    del told["spaceOutcomes"], told["catalogSpaces"]
    made = plan(SHARED, read_snapshot(json.dumps(told), now=NOW).live)
    why = "the snapshot was taken by a version that reads no spaces"
    assert {(change.state, change.reason) for change in made.spaces} == {(State.NOT_KNOWN, why)}


def test_what_only_left_out_of_a_snapshot_is_no_space_of_it() -> None:
    found = scenarios.spaces_in_sync_live()
    taken = render(with_spaces("list", found, live=found, only=("ivo", "elif", "studio-*")), "json")
    snapshot = read_snapshot(taken, now=NOW)
    made = snapshot.within(plan(SHARED, snapshot.live))
    assert [change.key for change in made.spaces] == ["field-notes", "rock-club", "studio-nord"]
    assert [change.key for change in made.personas] == [mail("elif"), mail("ivo")]


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("slug", "", "live.spaces[1].slug must not be empty"),
        ("spaceId", "", "live.spaces[1].spaceId must not be empty"),
        ("members", {}, "live.spaces[1].members must be a list"),
        ("name", None, "live.spaces[1].name must be a string"),
    ],
)
def test_what_is_no_space_of_a_snapshot_is_refused_with_its_place(
    place: str, value: object, says: str
) -> None:
    told = document(scenarios.spaces_listed())
    told["live"]["spaces"][1][place] = value
    with pytest.raises(UsageError) as caught:
        read_snapshot(json.dumps(told), now=NOW)
    assert says in caught.value.message
