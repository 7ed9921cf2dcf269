from __future__ import annotations

import json
import stat
from pathlib import Path

import jsonschema
import pytest

from personas.catalog.loader import load_catalog
from personas.passwords import derive_password

from .conftest import ADA, SECRET, entry, personas, write_catalog


def test_validate_checks_several_catalogs_and_stdin() -> None:
    write_catalog(entry("eve"), file="a, b.json")
    good = personas("validate", "catalog.json", "a, b.json")
    lines = good.out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["catalog.json", "a, b.json"]
    assert all(line.endswith("valid") for line in lines)
    piped = personas("validate", "-", stdin=Path("catalog.json").read_text("utf-8"))
    assert (piped.code, "3 personas" in piped.out) == (0, True)


def test_validate_prints_every_problem_with_its_place_also_as_json() -> None:
    write_catalog(entry("ada", email="ada"), entry("bo", extra=1), file="bad.json")
    result = personas("validate", "catalog.json", "bad.json", "missing.json")
    assert (result.code, result.err) == (3, "")
    lines = [line for line in result.out.splitlines() if line.startswith(("bad.json:", "missing.json:"))]
    assert [line.split(":")[1] for line in lines] == ["5", "24", "1"]
    assert "cannot be read" in lines[2]
    assert "2 errors, 1 warning" in result.out
    assert "personas init" in personas("validate", "missing.json").err
    assert personas("validate", "").code == 2
    assert personas("validate", "catalog.json", "-c", "catalog.json").code == 2
    # Warnings alone do not fail.
    write_catalog(entry("ada", extra=1))
    result = personas("validate", "-o", "json")
    (problem,) = result.json["problems"]
    assert (result.code, problem["severity"], problem["line"]) == (0, "warning", 13)


def test_the_schemas_describe_catalog_and_report() -> None:
    catalog = json.loads(Path("catalog.json").read_text("utf-8"))
    jsonschema.validate(catalog, personas("schema").json)
    report = personas("dry-run", "--auth", "embedded", "-o", "json").json
    jsonschema.validate(report, personas("schema", "report").json)


@pytest.mark.parametrize("who", [ADA, "persona.ada", "ada", "Ada", f" {ADA.upper()} "])
def test_the_password_of_a_persona(who: str) -> None:
    result = personas("password", who)
    assert (result.code, result.out) == (0, derive_password(ADA, SECRET) + "\n")


@pytest.mark.parametrize("who", ["@", "adaa@mana.test", "nobody", ""])
def test_no_password_for_what_is_not_in_the_catalog(who: str) -> None:
    result = personas("password", who)
    assert (result.code, result.out) == (2, "")
    Path("catalog.json").unlink()
    result = personas("password", who.removesuffix("@mana.test"))
    assert (result.code, result.out) == (2, "")


def test_an_email_needs_no_catalog() -> None:
    expected = personas("password", ADA).out
    Path("catalog.json").unlink()
    assert personas("password", ADA).out == expected
    assert personas("password", "ada", "-c", "missing.json").code == 3


@pytest.mark.parametrize(
    ("scope", "email"),
    [(None, "persona.anna@mana.test"), ("books.*@acme.test", "books.anna@acme.test"), ("*@a.test", None)],
)
def test_init_writes_a_valid_catalog_and_its_schema(scope: str | None, email: str | None) -> None:
    assert personas("init", "new.json", *(["--scope", scope] if scope else [])).code == 0
    catalog = load_catalog("new.json")
    assert (len(catalog.personas), len(catalog.spaces), catalog.warnings) == (2, 1, ())
    assert email in {None, catalog.personas[0].email}
    schema = json.loads(Path("catalog.schema.json").read_text("utf-8"))
    jsonschema.validate(json.loads(Path("new.json").read_text("utf-8")), schema)
    assert stat.S_IMODE(Path("new.json").stat().st_mode) & 0o600 == 0o600


def test_init_overwrites_nothing() -> None:
    before = Path("catalog.json").read_text("utf-8")
    result = personas("init")
    assert (result.code, "exists" in result.err) == (2, True)
    assert Path("catalog.json").read_text("utf-8") == before
    Path("catalog.schema.json").write_text("kept", "utf-8")
    assert personas("init", "new.json").code == 0
    assert Path("catalog.schema.json").read_text("utf-8") == "kept"


def test_init_takes_a_domain_and_warns_of_a_real_one() -> None:
    result = personas("init", "new.json", "--scope", "gmail.com")
    assert (result.code, "gmail.com is not reserved" in result.err) == (0, True)
    assert json.loads(Path("new.json").read_text("utf-8"))["scope"] == "*@gmail.com"


@pytest.mark.parametrize("scope", ["", "nothing", "one@acme.test", "Books.*@acme.test", "*@*.test"])
def test_init_refuses_a_scope_that_does_not_work(scope: str) -> None:
    result = personas("init", "new.json", "--scope", scope)
    assert (result.code, Path("new.json").exists()) == (2, False)
    assert "cannot be used: " in result.err
