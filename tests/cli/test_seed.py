from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.proxy import Answer, every, open_proxy

from .conftest import ADA, BO, CY, SECRET, Service, entry, personas, write_catalog


def test_seed_creates_and_then_finds_everything_in_sync(service: Service) -> None:
    first = personas("seed", *service.at)
    assert (first.code, first.err) == (0, "")
    assert "3 created (5 requests" in first.out
    assert service.emails == {ADA, BO, CY}
    again = personas("seed", *service.at)
    assert again.out.startswith("✓ 3 personas in sync (8 requests")
    assert len(again.out.splitlines()) == 1
    assert personas("seed", *service.at, "--quiet").out == ""


def test_seed_works_on_an_embedded_service_that_it_creates() -> None:
    assert personas("seed", "--auth", "embedded").code == 0
    assert Path(".personas/auth.db").exists()
    assert "in sync" in personas("seed", "--auth", "embedded:.personas/auth.db").out


def test_seed_updates_what_an_update_can_change(seeded: Service) -> None:
    write_catalog(entry("ada", archetype="parent", tickCadence="hourly"), entry("bo"), entry("cy"))
    result = personas("seed", *seeded.at, "-o", "json")
    assert result.code == 0
    outcomes = {outcome["key"]: outcome for outcome in result.json["outcomes"]}
    assert {key: outcome["action"] for key, outcome in outcomes.items()} == {ADA: "update", CY: "update"}
    assert personas("dry-run", *seeded.at, "--fail-on-drift").code == 0


def test_seed_keeps_extra_personas_without_prune(seeded: Service) -> None:
    write_catalog(entry("ada"))
    kept = personas("seed", *seeded.at)
    assert (kept.code, "2 extra (kept; --prune deletes them)" in kept.out) == (0, True)
    assert personas("seed", *seeded.at, "--prune", "--yes").code == 0
    assert seeded.emails == {ADA}


def test_replace_needs_its_option_and_is_no_failure(seeded: Service) -> None:
    write_catalog(entry("ada", name="Another"), entry("bo"), entry("cy"))
    assert personas("seed", *seeded.at).code == 0
    assert personas("dry-run", *seeded.at, "--fail-on-drift").code == 10
    assert personas("seed", *seeded.at, "--replace", "--yes").code == 0
    assert personas("dry-run", *seeded.at, "--fail-on-drift").code == 0


def test_a_dry_run_of_seed_changes_nothing_and_creates_no_file(service: Service) -> None:
    assert "3 to create" in personas("seed", *service.at, "--dry-run").out
    assert service.emails == set()
    assert personas("seed", "--auth", "embedded", "--dry-run").code == 0
    assert not Path(".personas").exists()


def test_an_email_of_another_account_refuses_the_whole_run(service: Service) -> None:
    service.sign_up(BO)
    for command in ("seed", "dry-run"):
        result = personas(command, *service.at)
        assert result.code == 5
        assert f"✗ {BO} belongs to an account that is not a persona." in result.out
        assert "Checksum" not in result.out
        document = personas(command, *service.at, "-o", "json").json
        assert (document["plan"]["checksum"], document["exitCode"]) == (None, 5)
    assert service.emails == set()


def test_another_seed_secret_refuses_the_run(seeded: Service) -> None:
    write_catalog(entry("ada"), entry("bo"), entry("cy"), entry("new"))
    result = personas("seed", *seeded.at, PERSONA_SEED_SECRET="another-secret-0123")
    assert result.code == 5
    assert "The seed secret does not match" in result.err
    assert seeded.emails == {ADA, BO, CY}


def test_a_plan_runs_only_with_the_checksum_of_its_preview(service: Service) -> None:
    preview = personas("dry-run", *service.at)
    (checksum,) = [line.split()[1] for line in preview.out.splitlines() if line.startswith("Checksum")]
    refused = personas("seed", *service.at, "--expect-plan", "0" * 16)
    assert (refused.code, service.emails) == (5, set())
    assert f"The plan has the checksum {checksum}" in refused.err
    assert personas("seed", *service.at, "--expect-plan", checksum.upper()).code == 0


@pytest.mark.parametrize(
    ("env", "options", "code", "text"),
    [
        ({}, (), 5, "Add --yes"),
        ({"CI": "true"}, (), 5, "Add --yes"),
        ({"NODE_ENV": "production"}, ("--yes",), 5, "Add --force"),
        ({"PERSONAS_ENV": "production"}, ("--yes",), 5, "Add --force"),
        ({"NODE_ENV": "production"}, ("--yes", "--force"), 0, "--force: deleting in production."),
        ({}, ("--yes",), 0, ""),
    ],
)
def test_deletions_need_a_yes_and_in_production_force(
    seeded: Service, env: dict[str, str], options: tuple[str, ...], code: int, text: str
) -> None:
    write_catalog(entry("ada"))
    result = personas("seed", *seeded.at, "--prune", *options, **env)
    assert (result.code, text in result.err) == (code, True)
    assert (len(seeded.emails) == 3) == bool(code)


def test_only_limits_a_run_and_a_pattern_without_a_match_is_named(service: Service) -> None:
    result = personas("seed", *service.at, "--only", "ada", "--only", "jonsa")
    assert (result.code, "'jonsa'" in result.err, service.emails) == (2, True, set())
    assert personas("seed", *service.at, "--only", "ADA", "--only", "solo-*").code == 0
    assert service.emails == {ADA, CY}


def test_a_real_domain_needs_the_catalogs_permission(service: Service) -> None:
    email = "books.ada@acme.com"
    write_catalog(entry("ada", email=email), scope="books.*@acme.com")
    for command in ("seed", "cleanup", "spaces"):
        result = personas(command, *service.at)
        assert (result.code, "allowRealDomain" in result.err) == (5, True)
    write_catalog(entry("ada", email=email), scope="books.*@acme.com", allowRealDomain=True)
    assert personas("seed", *service.at).code == 0
    assert service.emails == {email}


def test_two_catalogs_share_a_service(service: Service) -> None:
    books = write_catalog(entry("eve", email="books.eve@acme.test"), file="b.json", scope="books.*@acme.test")
    assert personas("seed", *service.at).code == 0
    assert personas("seed", *service.at, str(books), "--prune", "--yes").code == 0
    assert personas("cleanup", *service.at, "-c", str(books), "--yes").code == 0
    assert service.emails == {ADA, BO, CY}


def test_the_development_secret_is_announced_also_when_quiet() -> None:
    result = personas("seed", "--auth", "embedded", "-q", PERSONA_SEED_SECRET="")
    assert result.code == 0
    assert result.err.splitlines() == [
        "Using the public development seed secret; set PERSONA_SEED_SECRET for another one."
    ]
    assert "development" not in personas("seed", "--auth", "embedded", "-q").err


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"MANA_AUTH_URL": "https://auth.example.test", "MANA_ADMIN_JWT": "a.b.c"}, "is not set"),
        ({"NODE_ENV": "production"}, "in production"),
    ],
)
def test_the_development_secret_is_refused_elsewhere(env: dict[str, str], text: str) -> None:
    result = personas("seed", PERSONA_SEED_SECRET="", **env)
    assert (result.code, text in result.err) == (5, True)


def test_variables_of_both_forms_work(seeded: Service) -> None:
    for prefix in ("MANA", "PERSONAS"):
        env = {f"{prefix}_AUTH_URL": seeded.url, f"{prefix}_ADMIN_JWT": seeded.at[3]}
        secret = "PERSONA_SEED_SECRET" if prefix == "MANA" else "PERSONAS_SEED_SECRET"
        other = {"PERSONA_SEED_SECRET": "", secret: SECRET}
        assert personas("seed", **env, **other).out.startswith("✓")
    wrong = personas("seed", MANA_AUTH_URL=seeded.url, PERSONAS_AUTH_URL="http://localhost:1")
    assert (wrong.code, "different values" in wrong.err) == (2, True)


def test_requests_are_printed_with_verbose(seeded: Service) -> None:
    lines = personas("seed", *seeded.at, "-v").err.splitlines()
    assert lines[0].startswith("GET /api/v1/admin/personas 200 0.")
    assert seeded.at[3] not in "".join(lines)


def test_a_pause_that_the_service_asks_for_is_announced(service: Service) -> None:
    busy = Answer(429, {"error": "busy"}, (("Retry-After", "1"),))
    with open_proxy(service.url) as proxy:
        proxy.script = every(busy, method="GET", path="/api/v1/admin/personas", times=1)
        result = personas("seed", "--auth", proxy.url, *service.at[2:])
    assert result.code == 0
    assert result.err.startswith("Waiting 1 s: ")


def test_refused_credentials_stop_the_run_with_exit_code_4(service: Service) -> None:
    with open_proxy(service.url) as proxy:
        proxy.script = every(Answer(403, {"error": "Forbidden"}), method="POST", path="/api/v1/admin")
        result = personas("seed", "--auth", proxy.url, *service.at[2:], "-o", "json")
    assert result.code == 4
    assert {outcome["result"] for outcome in result.json["outcomes"]} <= {"failed", "skipped"}
    assert personas("seed", "--auth", service.url, "--jwt", "eyJhIjoxfQ.eyJhIjoxfQ.c").code == 4
