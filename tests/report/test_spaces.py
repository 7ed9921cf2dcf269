"""Shared spaces, in every view beside the personas and never among them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest

from personas.errors import UsageError
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.outcome import Outcome, Result
from personas.reconcile.plan import Intent, State, plan
from personas.report import Report, read_snapshot, render, step_outputs

from . import scenarios
from .scenarios import SPACES


def page(report: Report, **options: object) -> str:
    return render(report, "text", **options)  # type: ignore[arg-type]


def flat(report: Report) -> str:
    return " ".join(page(report).split())


def document(report: Report) -> Any:
    return json.loads(render(report, "json"))


def change_of(report: Report, slug: str) -> Any:
    return next(change for change in document(report)["plan"]["spaceChanges"] if change["slug"] == slug)


def annotation(report: Report, slug: str) -> str:
    return next(line for line in render(report, "github").splitlines() if f"({slug})" in line)


def test_counts_of_personas_are_of_personas_alone_and_those_of_spaces_stand_beside_them() -> None:
    told = document(scenarios.spaces())["plan"]
    assert told["counts"]["create"] == 1
    assert told["counts"]["inSync"] == 9
    assert told["spaceCounts"] == {
        "collision": 1,
        "notKnown": 1,
        "lockedOut": 0,
        "recreate": 0,
        "create": 1,
        "update": 2,
        "stray": 2,
        "inSync": 1,
    }
    assert {change["thing"] for change in told["changes"]} == {"persona"}
    assert {change["thing"] for change in told["spaceChanges"]} == {"space"}


def test_outputs_count_spaces_under_names_of_their_own() -> None:
    told = step_outputs(scenarios.spaces())
    assert (told["create"], told["update"], told["stray"], told["in-sync"]) == ("1", "0", "0", "9")
    assert (told["space-create"], told["space-update"], told["space-stray"]) == ("1", "2", "2")
    assert step_outputs(scenarios.spaces_offline())["space-create"] == ""


def test_what_differs_in_spaces_alone_is_a_change_too() -> None:
    found = replace(scenarios.in_sync_with_spaces(), spaces=scenarios.in_sync_with_spaces().spaces[1:])
    told = step_outputs(scenarios.with_spaces(found=found, dry_run=True))
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


def test_a_page_has_a_line_of_verdict_for_the_spaces() -> None:
    lines = page(scenarios.spaces(), width=120).splitlines()
    spaces = "Spaces: 1 collision, 1 not known, 1 to create, 1 to update, 2 need --prune, 2 strays, 1 in sync"
    assert lines[1:3] == lines[-4:-2] == ["1 to create, 9 in sync", spaces]


def test_where_only_means_a_space_alone_nothing_is_said_of_personas() -> None:
    read = scenarios.catalog(spaces=SPACES)
    made = plan(read, scenarios.drifted_spaces(), only="studio-*")
    report = scenarios.base("dry-run", dry_run=True, plan=made, loaded=read)
    assert report.verdict == "spaces: 1 to update, 1 needs --prune"
    assert not re.search("persona.? in sync|Expected use", page(report))


def test_everything_in_sync_is_one_sentence_with_both_numbers() -> None:
    assert flat(scenarios.spaces_in_sync()).startswith(
        "✓ catalog.json and http://localhost:3001 are in sync: 10 personas, 6 spaces · "
    )


def test_each_way_in_which_a_space_differs_is_told() -> None:
    shown = flat(scenarios.spaces())
    for told in (
        "name Studio Süd → Studio Nord",
        "type club → team",
        "member persona.ben@mana.test: member → admin",
        "member persona.chloe@mana.test: invited → member",
        "member persona.daniel@mana.test: invitation expired → member",
        "member persona.elif@mana.test: no member → member",
        "member persona.hana@mana.test: admin → no member (is not removed)",
    ):
        assert told in shown


@pytest.mark.parametrize("width", [60, 80, 120])
def test_state_name_and_slug_of_a_space_stand_in_every_width(width: int) -> None:
    rows = [line for line in page(scenarios.spaces(), width=width).splitlines() if "rock-club" in line]
    assert [re.split(r"  +", row.strip())[:3] for row in rows] == [["✓ in sync", "Rock Club", "rock-club"]]


def test_who_is_too_many_stays_and_the_command_that_removes_them_is_told() -> None:
    advice = "Members whom the catalog does not have stay. To remove them: personas seed --prune"
    assert f"2 spaces differ {advice} field-notes: " in flat(scenarios.spaces())
    pruned = flat(scenarios.with_spaces(intent=Intent(prune=True), dry_run=True))
    assert f"1 space differs {advice} --force field-notes: " in pruned
    assert "a.human@example.org, no persona, stays without --prune --force" in pruned


def test_a_taken_slug_is_told_with_its_reason() -> None:
    assert (
        "1 slug taken The slug belongs to a space that is not one of ours, which is left alone. "
        "Give the space another slug in the catalog. "
        "fjord-flat: the slug is taken by a space of which no persona is a member"
    ) in flat(scenarios.spaces())


def test_a_stray_space_with_a_human_in_it_is_left_alone_and_said_so() -> None:
    human = "half-human: not in the catalog; a.human@example.org is a member and no persona: never deleted"
    shown = flat(scenarios.spaces())
    assert "2 stray spaces Not in the catalog, and left alone. To delete: personas seed --prune" in shown
    assert f"{human} old-club: not in the catalog" in shown
    pruned = flat(scenarios.spaces_seeded())
    assert "1 stray space Not in the catalog, and left alone all the same." in pruned
    assert (
        "half-human: not in the catalog; a.human@example.org is a member and no persona: never deleted"
        in pruned
    )


def test_cleanup_says_which_spaces_and_which_owners_stay_and_why() -> None:
    shown = flat(scenarios.spaces_cleanup())
    assert "2 live personas left alone; to delete them too: personas cleanup --force" in shown
    assert (
        "persona.ben@mana.test: it owns the space half-human, where a.human@example.org is a member" in shown
    )
    assert "2 live spaces left alone:" in shown


def test_a_preview_of_deletions_tells_how_many_personal_spaces_may_stay_behind() -> None:
    note = "7 personal spaces may stay behind on the service, which has no call to delete them."
    assert note in flat(scenarios.spaces_cleanup())
    assert note in document(scenarios.spaces_cleanup())["notes"]
    assert "personal space" not in flat(scenarios.spaces())


def test_a_space_that_waits_for_somebody_says_for_whom() -> None:
    found = scenarios.in_sync_with_spaces()
    club = scenarios.live_space("rock-club", "Rock Club", "club", "ivo:owner")
    found = replace(
        found,
        personas=tuple(one for one in found.personas if one.email != scenarios.mail("elif")),
        owners={scenarios.mail("elif"): Owner(Ownership.FOREIGN)},
        spaces=tuple(club if space.slug == "rock-club" else space for space in found.spaces),
    )
    report = scenarios.with_spaces(found=found, dry_run=True)
    assert "~ update Rock Club rock-club member missing; waits for persona.elif@mana.test" in flat(report)
    assert change_of(report, "rock-club")["missing"] == [scenarios.mail("elif")]


def test_many_spaces_are_cut_like_personas() -> None:
    entries = [scenarios.space(f"space-{n:03}", f"Space {n}", "team", "anna", "ben") for n in range(300)]
    read = scenarios.catalog(spaces=entries)
    everyone = tuple(scenarios.everyone())
    made = plan(read, Live(personas=everyone[1:], spaces_of={one.email: "" for one in everyone}))
    report = scenarios.base("dry-run", dry_run=True, plan=made, loaded=read)
    assert "and 294 more to create (--full or -o json shows all)" in flat(report)
    assert len(page(report).splitlines()) < 60
    assert page(report, full=True).count("  + create  Space ") == 300


def test_equal_differences_of_spaces_are_told_once() -> None:
    entries = [scenarios.space(f"space-{n}", "Ours", "team", "anna", "ben") for n in range(4)]
    live = tuple(
        scenarios.live_space(f"space-{n}", "Ours", "team", "anna:owner", "ben:admin") for n in range(4)
    )
    read = scenarios.catalog(spaces=entries)
    found = Live(personas=tuple(scenarios.everyone()), spaces=live, spaces_of={scenarios.mail("anna"): ""})
    report = scenarios.base("dry-run", dry_run=True, plan=plan(read, found), loaded=read)
    assert "4 × persona.ben@mana.test: admin → member space-0, space-1, space-2, space-3" in flat(report)


def test_a_space_has_all_its_members_with_both_roles_and_their_places() -> None:
    lines = scenarios.catalog_text(spaces=SPACES).splitlines()
    told = change_of(scenarios.spaces(), "studio-nord")
    members = {member["email"].split("@")[0].removeprefix("persona."): member for member in told["members"]}
    assert {
        who: (member["live"], member["wanted"], member["differs"]) for who, member in members.items()
    } == {
        "anna": ("owner", "owner", False),
        "ben": ("member", "admin", True),
        "chloe": ("invited", "member", True),
        "daniel": ("invitation expired", "member", True),
        "elif": (None, "member", True),
        "hana": ("admin", None, True),
    }
    assert "persona.elif@mana.test" in lines[members["elif"]["line"] - 1]
    assert '"members": [' in lines[members["hana"]["line"] - 1]
    assert [(item["field"], item["old"], item["new"]) for item in told["fields"]] == [
        ("name", "Studio Süd", "Studio Nord"),
        ("type", "club", "team"),
    ]
    assert '"name": "Studio Nord"' in lines[told["fields"][0]["line"] - 1]
    assert (told["type"], told["owner"], told["spaceId"]) == (
        "team",
        "persona.anna@mana.test",
        "space-studio-nord",
    )


def test_a_space_is_annotated_on_its_line() -> None:
    lines = scenarios.catalog_text(spaces=SPACES).splitlines()

    def line_of(told: str) -> int:
        found = re.search(r"[ ,]line=(\d+)", told)
        assert found is not None
        return int(found[1]) - 1

    differs = annotation(scenarios.spaces(), "studio-nord")
    assert differs.startswith("::warning file=catalog.json,")
    assert (
        "title=Space differs::Studio Nord (studio-nord): differs: name: Studio Süd → Studio Nord; " in differs
    )
    assert '"name": "Studio Nord"' in lines[line_of(differs)]
    collision = annotation(scenarios.spaces(), "fjord-flat")
    assert collision.startswith("::error file=catalog.json,")
    assert "title=Space collision::" in collision
    assert '"slug": "fjord-flat"' in lines[line_of(collision) + 1]
    assert line_of(annotation(scenarios.spaces(), "old-club")) == 0


def test_a_failed_step_about_a_space_is_an_error_that_names_it() -> None:
    failed = [
        line for line in render(scenarios.spaces_seeded(), "github").splitlines() if "Space failed" in line
    ]
    assert len(failed) == 2
    assert all(line.startswith("::error ") for line in failed)
    assert "translations failed: the service answered 500" in failed[0]


def test_each_space_is_a_case_of_its_own() -> None:
    (suite,) = ET.fromstring(render(scenarios.spaces(), "junit").encode())
    told = {case.attrib["name"]: case[0].tag if len(case) else "passed" for case in suite}
    assert told["space Rock Club <rock-club>"] == "passed"
    assert told["space Studio Nord <studio-nord>"] == "failure"
    assert told["space Fotolabor Größe XL <fotolabor>"] == "skipped"
    assert len(told) == 10 + 8
    (failed,) = [case[0] for case in suite if case.attrib["name"] == "space Studio Nord <studio-nord>"]
    assert failed.attrib["message"] == "update: name, type, 5 members"
    assert "@@ role: persona.ben@mana.test @@\n- member\n+ admin" in (failed.text or "")
    assert "! is not removed; personas seed --prune removes members too many" in (failed.text or "")


def test_a_step_that_leaves_members_too_many_has_not_mended_its_space() -> None:
    read = scenarios.catalog(spaces=SPACES)
    made = plan(read, scenarios.drifted_spaces())
    outcomes = tuple(Outcome(change, Result.DONE) for change in made.steps)
    report = scenarios.base("seed", plan=made, loaded=read, outcomes=outcomes)
    assert (
        "1 created, 1 updated; left alone: 1 collision, 1 not known, 2 differ, 2 strays; 1 in sync"
        in flat(report)
    )
    assert "title=Space differs::Studio Nord" in render(report, "github")


def test_markdown_has_a_table_and_folded_changes_of_spaces() -> None:
    text = render(scenarios.spaces(), "markdown")
    assert "| state | space | slug | type | owner | differs |" in text
    assert "9 in sync, 1 space in sync" in text
    assert (
        "<details><summary><b>Studio Nord</b> <code>studio-nord</code>: name, type, 5 members</summary>"
        in text
    )
    assert (
        "- 👻 **2 stray spaces.** Not in the catalog, and left alone. To delete: `personas seed --prune`"
        in text
    )


def test_a_list_tells_spaces_where_they_were_read_and_else_that_they_were_not() -> None:
    shown = page(scenarios.spaces_listed())
    assert re.search(r"^  ~ differs +Studio Nord +studio-nord +team +anna +3$", shown, re.MULTILINE)
    read = scenarios.catalog(spaces=SPACES)
    made = plan(read, scenarios.drifted_spaces())
    unread = scenarios.base("list", loaded=read, plan=replace(made, changes=made.personas))
    assert "6 spaces of the catalog not looked at (--full does)" in flat(unread)
    assert unread.verdict == "9 live personas, 1 not live"


def test_one_persona_is_shown_with_its_spaces_and_its_role_in_each() -> None:
    shown = page(scenarios.spaces_shown())
    assert re.search(r"^  ~ differs +Studio Nord +studio-nord +team +owner$", shown, re.MULTILINE)
    assert re.search(r"^  \+ not live +翻訳 translations +translations +team +member$", shown, re.MULTILINE)
    assert "| differs | Studio Nord | `studio-nord` | `team` | owner |" in render(
        scenarios.spaces_shown(), "markdown"
    )


def test_validate_tells_how_many_spaces_a_catalog_has() -> None:
    read = scenarios.catalog(spaces=SPACES)
    report = scenarios.made("validate", catalog="catalog.json", loaded=read)
    assert "✓ catalog.json is valid: 10 personas, 7 archetypes, 6 spaces" in flat(report)
    assert document(report)["catalogSpaces"] == 6
    assert document(scenarios.invalid())["catalogSpaces"] is None


def test_a_plan_of_spaces_against_a_snapshot_is_the_plan_against_the_service() -> None:
    found = replace(
        scenarios.drifted_spaces(),
        unread_spaces={"old-club": "the service answered 500"},
        unread_by={"old-club": (scenarios.mail("ivo"),)},
        service=scenarios.SERVICE,
    )
    text = render(scenarios.with_spaces("list", found, live=found), "json")
    snapshot = read_snapshot(text, now=scenarios.NOW)
    read = scenarios.catalog(spaces=SPACES)
    for intent in (Intent(), Intent(prune=True), Intent(purpose="cleanup")):
        expected, actual = plan(read, found, intent), plan(read, snapshot.live, intent)
        assert actual.changes == expected.changes
        assert actual.checksum == expected.checksum
        assert actual.notes == expected.notes


def test_a_snapshot_that_knows_no_spaces_makes_no_drift_of_them() -> None:
    told = document(
        scenarios.with_spaces("list", scenarios.in_sync_with_spaces(), live=scenarios.in_sync_with_spaces())
    )
    for name in ("spaces", "unreadSpaces", "unreadBy", "slugs", "spacesOf", "noSpaces"):
        del told["live"][name]
    for name in ("spaceCounts", "spaceChanges"):
        del told["plan"][name]
    del told["spaceOutcomes"], told["catalogSpaces"]
    snapshot = read_snapshot(json.dumps(told), now=scenarios.NOW)
    made = plan(scenarios.catalog(spaces=SPACES), snapshot.live)
    assert {change.state for change in made.spaces} == {State.NOT_KNOWN}
    assert {change.reason for change in made.spaces} == {
        "the snapshot was taken by a version that reads no spaces"
    }


def test_what_only_left_out_of_a_snapshot_is_no_space_of_it() -> None:
    found = scenarios.in_sync_with_spaces()
    text = render(scenarios.with_spaces("list", found, live=found, only=("ivo", "elif", "studio-*")), "json")
    snapshot = read_snapshot(text, now=scenarios.NOW)
    made = snapshot.within(plan(scenarios.catalog(spaces=SPACES), snapshot.live))
    assert [change.key for change in made.spaces] == ["field-notes", "rock-club", "studio-nord"]
    assert [change.key for change in made.personas] == [scenarios.mail("elif"), scenarios.mail("ivo")]


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
        read_snapshot(json.dumps(told), now=scenarios.NOW)
    assert says in caught.value.message
