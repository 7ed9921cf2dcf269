"""Commands that read: list, show, validate, password, schema; and cleanup, which deletes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import SERVICE_KEY, Served, both_forms
from making import make_persona

from personas.catalog.reading import catalog_schema
from personas.passwords import DEVELOPMENT_SECRET, derive_password

from .conftest import THREE, Personas, write_catalog

ADA, BO, CY = THREE


@both_forms("served")
def test_the_list_shows_each_live_persona_and_its_state(
    personas: Personas, folder: Path, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    write_catalog(folder, ADA, BO.model_copy(update={"archetype": "other"}), make_persona("dee"))
    said = personas("list", *at)
    assert (said.code, said.err) == (0, "")
    assert "in sync" in said.out
    assert "differs" in said.out
    assert "stray" in said.out
    assert "3 live personas" in said.out
    document = json.loads(personas("list", *at, "-o", "json").out)
    assert {c["email"]: c["state"] for c in document["plan"]["changes"]} == {
        ADA.email: "in-sync",
        BO.email: "update",
        CY.email: "stray",
        "persona.dee@mana.test": "create",
    }


def test_the_list_is_shown_also_when_asked_to_be_quiet(personas: Personas, at: tuple[str, ...]) -> None:
    personas("seed", *at)
    assert personas("list", *at, "--quiet").out.count("✓ in sync") == 3


def test_a_catalog_that_cannot_be_read_hides_nothing_that_is_live(
    personas: Personas, folder: Path, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    (folder / "half.json").write_text('{"personas": [')
    for command in (["list"], ["show", "ada"], ["cleanup", "--dry-run"]):
        for catalog in ("nowhere.json", "half.json", "."):
            said = personas(*command, *at, "--catalog", catalog)
            assert said.code == 0
            assert "ada" in said.out.lower()
            assert "drift is not known" in " ".join(said.out.split())


@both_forms("served")
def test_a_snapshot_of_the_list_is_planned_against_without_credentials(
    personas: Personas, folder: Path, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    Path("live.json").write_text(personas("list", *at, "--full", "-o", "json").out, "utf-8")
    write_catalog(folder, ADA, BO.model_copy(update={"archetype": "other"}))
    against = json.loads(personas("dry-run", "--against", "live.json", "-o", "json").out)
    live = json.loads(personas("dry-run", *at, "-o", "json").out)
    assert against["plan"]["checksum"] == live["plan"]["checksum"]
    assert against["requests"] == 0
    assert against["snapshotAge"] >= 0
    assert personas("dry-run", "--against", "live.json", "--max-age", "1d").code == 0
    stale = personas("dry-run", "--against", "live.json", "--max-age", "0s")
    assert stale.code == 4
    assert "--max-age allows" in stale.err


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"kind": "personas-report"}'])
def test_what_is_no_snapshot_is_wrong_usage(personas: Personas, folder: Path, content: str) -> None:
    (folder / "live.json").write_text(content)
    said = personas("dry-run", "--against", "live.json")
    assert said.code == 2
    assert said.err.startswith("error: ")


def test_one_persona_is_shown_by_any_of_its_names(personas: Personas, at: tuple[str, ...]) -> None:
    personas("seed", *at)
    for who in ("persona.ada@mana.test", "PERSONA.ADA@MANA.TEST", "persona.ada", "ada", "Ada"):
        said = personas("show", who, *at)
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("Ada  persona.ada@mana.test")
        assert "in sync" in said.out
        assert "You are somebody" in said.out


@pytest.mark.parametrize(
    ("served", "mean"),
    [("embedded", 4.5), ("original", None)],
    indirect=["served"],
    ids=["embedded", "original"],
)
def test_the_feedback_that_is_shown_has_a_mean_where_the_service_tells_one(
    personas: Personas, served: Served, at: tuple[str, ...], mean: float | None
) -> None:
    import httpx

    personas("seed", *at)
    shown = json.loads(personas("show", "ada", *at, "-o", "json").out)
    rows = [{"tickId": f"tick-{rating}", "module": "todo", "rating": rating} for rating in (4, 5)]
    httpx.post(
        f"{served.url}/api/v1/internal/personas/{shown['detail']['persona']['userId']}/feedback",
        json={"feedback": rows},
        headers={"x-service-key": SERVICE_KEY},
    ).raise_for_status()
    shown = json.loads(personas("show", "ada", *at, "-o", "json").out)
    assert shown["detail"]["feedback"] == [{"module": "todo", "ratings": 2, "mean": mean}]


def test_who_is_nobody_is_told_with_the_nearest_name(personas: Personas, at: tuple[str, ...]) -> None:
    personas("seed", *at)
    for command in (["show", *at], ["password"]):
        said = personas(*command, "adda")
        assert (said.code, said.out) == (2, "")
        assert "'adda' is nobody" in said.err
        assert "Did you mean" in said.err


# Cleanup


@both_forms("served")
def test_cleanup_deletes_every_live_persona_and_warns_of_drift_first(
    personas: Personas, folder: Path, served: Served, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    write_catalog(folder, ADA, BO.model_copy(update={"archetype": "other"}))
    assert "3 to delete" in personas("cleanup", *at, "--dry-run").out
    assert served.count("DELETE") == 0
    assert "1 deleted" in personas("cleanup", *at, "--yes", "--only", CY.email).out
    assert served.count("DELETE") == 1
    said = personas("cleanup", *at, "--yes")
    assert said.code == 0
    assert said.out.index("Warning: ") < said.out.index("persona.ada@mana.test")
    assert "1 differs" in said.out
    assert "2 deleted" in said.out
    assert served.count("DELETE") == 3
    assert "no persona" in personas("list", *at).out
    nothing = personas("cleanup", *at)
    assert nothing.code == 0
    assert "othing to delete" in nothing.out
    assert served.count("DELETE") == 3


# The catalog alone


def test_a_valid_catalog_is_said_to_be_so(personas: Personas) -> None:
    said = personas("validate")
    assert (said.code, said.err) == (0, "")
    assert "✓ catalog.json is valid: 3 personas, 2 archetypes" in said.out
    assert personas("validate", "--quiet").out == ""
    document = json.loads(personas("validate", "-o", "json").out)
    assert (document["valid"], document["problems"]) == (True, [])


def test_every_problem_is_told_once_with_its_place(personas: Personas, folder: Path) -> None:
    (folder / "bad.json").write_text('{"personas": [\n  {"name": "", "email": "X"}\n]}')
    said = personas("validate", "-c", "bad.json")
    assert (said.code, said.err) == (3, "")
    document = json.loads(personas("validate", "-c", "bad.json", "-o", "json").out)
    assert document["valid"] is False
    assert len(document["problems"]) > 3
    flat = " ".join(said.out.split())
    for problem in document["problems"]:
        assert flat.count(f"bad.json:{problem['line']}:{problem['column']}: ") >= 1
    github = personas("validate", "-c", "bad.json", "-o", "github")
    assert "::error file=bad.json,line=2" in github.out


@pytest.mark.parametrize("command", ["seed", "dry-run"])
def test_of_another_command_the_problems_of_the_catalog_are_the_error(
    personas: Personas, folder: Path, at: tuple[str, ...], served: Served, command: str
) -> None:
    (folder / "half.json").write_text('{"personas": [')
    said = personas(command, *at, "-c", "half.json")
    assert (said.code, said.out) == (3, "")
    assert said.err.count("half.json:1:15") == 1
    assert json.loads(personas(command, *at, "-c", "half.json", "-o", "json").out)["valid"] is False
    assert served.lines == []


# Passwords and schemas


def test_a_password_is_derived_and_nothing_else_is_said(personas: Personas, folder: Path) -> None:
    env = {"PERSONA_SEED_SECRET": ""}
    said = personas("password", "persona.anna@mana.test", env=env)
    assert (said.code, said.out, said.err) == (0, "1FJ7w8KbjK5CWVa8NqfobexAFNuQKxiA\n", "")
    (folder / "catalog.json").unlink()
    assert personas("password", " Persona.Anna@MANA.test", env=env).out == said.out
    assert personas("password", "anna", env=env).code == 3


def test_a_password_is_derived_from_the_secret_that_is_set(personas: Personas) -> None:
    said = personas("password", "ada", env={"PERSONA_SEED_SECRET": "other"})
    assert (
        said.out.strip()
        == derive_password(ADA.email, "other")
        != derive_password(ADA.email, DEVELOPMENT_SECRET)
    )


def test_both_schemas_are_printed(personas: Personas) -> None:
    catalog: dict[str, Any] = json.loads(personas("schema").out)
    assert catalog == catalog_schema()
    report = json.loads(personas("schema", "--of", "report").out)
    assert report["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert report["type"] == "object"
