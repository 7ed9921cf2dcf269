from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Served, both_forms
from making import make_persona

from .conftest import THREE, Personas, write_catalog

ADA, BO, CY = THREE
HERE, LATER = "/api/v1/admin/personas", "/api/v1/personas/admin"


@pytest.mark.parametrize(
    ("served", "endpoint"),
    [("embedded", HERE), ("embedded", LATER), ("original", HERE), ("later", LATER)],
    indirect=["served"],
)
def test_a_first_seed_creates_and_a_second_writes_nothing(
    personas: Personas, served: Served, at: tuple[str, ...], endpoint: str
) -> None:
    first = personas("seed", *at, "--endpoint", endpoint)
    assert first.code == 0
    assert "3 created" in first.out
    assert first.out.count("✓ created") == 3
    assert served.writes == served.count("POST", endpoint) == 3
    second = personas("seed", *at, "--endpoint", endpoint)
    assert second.code == 0
    assert "in sync: 3 personas" in second.out
    assert served.writes == 3
    assert first.err == second.err == ""


@both_forms("served")
def test_an_edit_of_the_catalog_updates_only_what_changed(
    personas: Personas, folder: Path, served: Served, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    write_catalog(
        folder, ADA.model_copy(update={"module_mix": {"todo": 0.6, "notes": 1}}), BO, CY, make_persona("dee")
    )
    said = personas("seed", *at)
    assert said.code == 0
    assert "1 created, 1 updated, 2 in sync" in said.out
    assert "todo 0.5 → 0.6" in said.out
    assert served.writes == 3 + 2
    assert personas("seed", *at, "--quiet").out == ""


def test_in_process_the_state_is_a_file_in_the_folder(personas: Personas, folder: Path) -> None:
    write_catalog(folder, ADA)
    assert personas("seed", "--auth", "embedded").code == 0
    assert (folder / ".personas" / "auth.db").exists()
    again = personas("seed", "--auth", "embedded")
    assert "in sync: 1 persona" in again.out
    assert personas("list", "--auth", "embedded").out.startswith("Live personas  embedded:.personas/auth.db")


@pytest.mark.parametrize(
    "command",
    [["dry-run"], ["cleanup", "--yes"], ["list"], ["show", "ada"], ["token"], ["login", "ada"]],
    ids=" ".join,
)
def test_only_seed_and_serve_make_an_embedded_service_and_the_others_say_that_there_is_none(
    personas: Personas, folder: Path, command: list[str]
) -> None:
    said = personas(*command, "--auth", "embedded:there/is/none.db")
    assert (said.code, said.out) == (2, "")
    assert "there is no embedded service at there/is/none.db" in said.err
    assert "personas seed --auth embedded:there/is/none.db" in said.err
    assert not (folder / "there").exists()
    assert personas("seed", "--dry-run", "--auth", "embedded:there/is/none.db").code == 2
    assert not (folder / "there").exists()


@both_forms("served")
def test_strays_are_told_and_kept_and_pruned_with_yes(
    personas: Personas, folder: Path, served: Served, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    write_catalog(folder, ADA)
    said = personas("seed", *at)
    assert said.code == 0
    assert "2 strays" in said.out
    assert served.count("DELETE") == 0
    pruned = personas("seed", *at, "--prune", "--yes")
    assert pruned.code == 0
    assert "2 deleted" in pruned.out
    assert served.count("DELETE") == 2


@both_forms("served")
def test_a_changed_name_is_told_and_mended_by_recreate_alone(
    personas: Personas, folder: Path, served: Served, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    write_catalog(folder, ADA.model_copy(update={"name": "Ada Lovelace"}), BO, CY)
    said = personas("seed", *at)
    assert said.code == 0
    assert "--recreate" in said.out
    assert served.writes == 3
    assert personas("seed", *at, "--fail-on-drift").code == 10
    mended = personas("seed", *at, "--recreate", "--fail-on-drift", "--yes")
    assert mended.code == 0
    assert "1 recreated" in mended.out
    assert served.count("DELETE") == 1
    assert personas("seed", *at, "--fail-on-drift").code == 0


def test_a_collision_is_refused_and_nothing_at_all_is_written(
    personas: Personas, served: Served, at: tuple[str, ...]
) -> None:
    import httpx

    human = {"email": BO.email, "password": "a-humans-own-password", "name": "Human"}
    httpx.post(f"{served.url}/api/v1/auth/register", json=human).raise_for_status()
    before = served.writes
    for command in ("seed", "dry-run"):
        said = personas(command, *at)
        assert said.code == 5
        assert f"one catalog email belongs to somebody who is not one of ours: {BO.email}" in said.err
        assert "✗ collision" in said.out
        document = json.loads(personas(command, *at, "-o", "json").out)
        assert document["error"]["kind"] == "Refused"
        assert document["plan"]["counts"]["collision"] == 1
    assert served.writes == before


def test_the_expected_plan_is_carried_out_and_any_other_refused(
    personas: Personas, folder: Path, served: Served, at: tuple[str, ...]
) -> None:
    reviewed = json.loads(personas("dry-run", *at, "-o", "json").out)["plan"]["checksum"]
    write_catalog(folder, ADA, BO)
    said = personas("seed", *at, "--expect-plan", reviewed)
    assert said.code == 5
    assert "the plan is not the expected one" in said.err
    assert served.writes == 0
    write_catalog(folder, *THREE)
    assert personas("seed", *at, "--expect-plan", f" {reviewed.upper()} ").code == 0
    assert personas("seed", *at, "--expect-plan", "").code == 5


@both_forms("served")
def test_a_dry_run_by_either_name_shows_the_same_plan_and_writes_nothing(
    personas: Personas, served: Served, at: tuple[str, ...]
) -> None:
    one = json.loads(personas("seed", "--dry-run", *at, "-o", "json").out)
    other = json.loads(personas("dry-run", *at, "-o", "json").out)
    assert one["plan"] == other["plan"]
    assert one["dryRun"] is other["dryRun"] is True
    assert personas("dry-run", *at, "--fail-on-drift").code == 10
    assert served.writes == 0


@pytest.mark.parametrize("options", [[], ["--offline"]])
def test_without_credentials_or_offline_a_dry_run_shows_the_catalog_alone(
    personas: Personas, options: list[str]
) -> None:
    said = personas("dry-run", *options)
    assert said.code == 0
    assert "Offline: nothing was compared" in said.out
    assert "3 personas, compared with nothing" in said.out
    assert said.err == ""


def test_without_credentials_seeding_says_what_to_give(personas: Personas) -> None:
    said = personas("seed")
    assert (said.code, said.out) == (4, "")
    assert "seed needs an admin's credentials for http://localhost:3001" in said.err
    assert "--jwt (MANA_ADMIN_JWT)" in said.err
    assert "--auth embedded" in said.err


@pytest.mark.parametrize(("given", "missing"), [("EMAIL", "PASSWORD"), ("PASSWORD", "EMAIL")])
def test_half_of_the_admins_credentials_is_told(personas: Personas, given: str, missing: str) -> None:
    said = personas("seed", env={f"MANA_ADMIN_{given}": "half-of-it"})
    assert said.code == 2
    assert f"MANA_ADMIN_{missing} is not set" in said.err
    assert "half-of-it" not in said.err
