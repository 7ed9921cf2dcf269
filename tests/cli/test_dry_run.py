from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Service, entry, personas, write_catalog

EMBEDDED = "embedded:.personas/auth.db"


def test_without_service_and_credentials_only_the_catalog_is_checked() -> None:
    result = personas("dry-run")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("catalog.json: 3 personas")
    assert "not compared with a service" in result.out
    assert personas("dry-run", "--auth", EMBEDDED, "--offline").out == result.out


URL = "https://auth.example.test"


@pytest.mark.parametrize(
    "option", [f"--auth={URL}", "", "--fail-on-drift", "--prune", "--replace", "--check-passwords"]
)
def test_a_comparison_without_credentials_fails(option: str) -> None:
    options = ("-o", "github", "--report", "r.json", *([option] if option else []))
    result = personas("dry-run", *options, MANA_AUTH_URL="" if option else URL)
    assert result.code == 4
    assert "The admin credentials for http" in result.err
    assert result.out.startswith("::error::The admin credentials")
    assert json.loads(Path("r.json").read_text("utf-8"))["error"]["message"] in result.err


def test_drift_fails_only_on_request_and_passwords_need_a_secret(seeded: Service) -> None:
    write_catalog(entry("ada", moduleMix={"todo": 1}), entry("bo"), entry("cy", archetype="solo-dev"))
    shown = personas("dry-run", *seeded.at)
    assert (shown.code, "todo 0.5 → 1" in shown.out, "1 to update, 2 in sync" in shown.out) == (0, True, True)
    assert personas("dry-run", *seeded.at, "--fail-on-drift").code == 10
    result = personas("dry-run", *seeded.at, NODE_ENV="production", PERSONA_SEED_SECRET="")
    assert (result.code, "passwords were not checked" in result.out) == (0, True)


def test_a_snapshot_stands_for_the_service(seeded: Service) -> None:
    assert personas("list", *seeded.at, "--report", "live.json").code == 0
    assert personas("dry-run", "--snapshot", "live.json", "--fail-on-drift").code == 0
    write_catalog(entry("ada", archetype="parent"), entry("bo"))
    result = personas("dry-run", "--snapshot", "live.json", "--fail-on-drift")
    assert f"Note: Snapshot: live.json ({seeded.url}, 20" in result.out
    assert (result.code, "1 extra" in result.out) == (10, True)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--offline", "--fail-on-drift"), "--offline compares nothing"),
        (("--offline", "--snapshot", "live.json"), "--offline compares nothing"),
        (("--snapshot", "live.json", "--check-passwords"), "cannot check passwords"),
        (("--snapshot", "missing.json"), "missing.json"),
        (("--snapshot", "catalog.json"), "not a snapshot"),
        (("catalog.json", "-c", "catalog.json"), "named twice"),
        (("--auth", "not-a-url"), "--auth is not"),
        (("--auth", ""), "--auth"),
        (("--auth", "embedded", "--only", "jonsa"), "'jonsa'"),
        (("--timeout", "0"), "--timeout"),
        (("--timeout", "nan"), "--timeout"),
        (("-c", ""), "empty"),
        (("--report", "report.pdf"), "unknown ending"),
        (("--report", "missing/r.json"), "does not exist"),
        (("--report", ""), "empty"),
        (("--report", "."), "unknown ending"),
        (("--report", "./catalog.json"), "would replace the catalog"),
    ],
)
def test_wrong_options_are_usage_errors(options: tuple[str, ...], text: str) -> None:
    before = Path("catalog.json").read_bytes()
    result = personas("dry-run", *options)
    assert (result.code, result.out) == (2, "")
    assert text in result.err
    assert "Traceback" not in result.err
    assert Path("catalog.json").read_bytes() == before


def test_a_missing_or_invalid_catalog_is_exit_code_3() -> None:
    missing = personas("seed", "--auth", "embedded", "missing.json")
    assert (missing.code, missing.out, "missing.json cannot be read" in missing.err) == (3, "", True)
    write_catalog(entry("ada", email="Ada@mana.test"), entry("bo", systemPromt="typo"))
    invalid = personas("seed", "--auth", "embedded")
    assert (invalid.code, invalid.out) == (3, "")
    lines = [line for line in invalid.err.splitlines() if line.startswith("catalog.json:")]
    assert lines[-1].split(": ")[1].startswith("warning")
    assert not Path(".personas").exists()
