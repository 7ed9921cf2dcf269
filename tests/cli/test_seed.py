from __future__ import annotations

from pathlib import Path

from .conftest import ADA, BO, CY, Service, entry, personas, write_catalog


def test_seed_creates_and_then_finds_everything_in_sync(service: Service) -> None:
    first = personas("seed", *service.at)
    assert (first.code, first.err) == (0, "")
    assert "3 created (5 requests" in first.out
    assert service.emails == {ADA, BO, CY}
    again = personas("seed", *service.at)
    assert again.out.startswith("✓ 3 personas in sync (8 requests")
    assert len(again.out.splitlines()) == 1
    assert personas("seed", *service.at, "--quiet").out == ""


def test_seed_keeps_extra_personas_without_prune(seeded: Service) -> None:
    write_catalog(entry("ada"))
    kept = personas("seed", *seeded.at)
    assert (kept.code, "2 extra (kept; --prune deletes them)" in kept.out) == (0, True)
    assert personas("seed", *seeded.at, "--prune", "--yes").code == 0
    assert seeded.emails == {ADA}


def test_a_dry_run_of_seed_changes_nothing_and_seed_creates_the_embedded_service(service: Service) -> None:
    assert "3 to create" in personas("seed", *service.at, "--dry-run").out
    assert service.emails == set()
    result = personas("seed", "--auth", "embedded:.personas/auth.db", "--dry-run")
    assert (result.code, "3 to create" in result.out) == (0, True)
    assert "catalog.json → embedded:.personas/auth.db" in result.out
    assert not Path(".personas").exists()
    assert personas("seed", "--auth", "embedded").code == 0
    assert "in sync" in personas("seed", "--auth", "embedded:.personas/auth.db").out


def test_a_plan_runs_only_with_the_checksum_of_its_preview(service: Service) -> None:
    preview = personas("dry-run", *service.at)
    (checksum,) = [line.split()[1] for line in preview.out.splitlines() if line.startswith("Checksum")]
    refused = personas("seed", *service.at, "--expect-plan", "0" * 16)
    assert (refused.code, service.emails) == (5, set())
    assert f"The plan has the checksum {checksum}" in refused.err
    assert personas("seed", *service.at, "--expect-plan", checksum.upper()).code == 0


def test_deletions_need_a_yes_and_in_production_force(seeded: Service) -> None:
    write_catalog(entry("ada"))
    seed = ("seed", *seeded.at, "--prune")
    refusals: list[tuple[dict[str, str], tuple[str, ...], str]] = [
        ({}, (), "Add --yes"),
        ({"CI": "true"}, (), "Add --yes"),
        ({"NODE_ENV": "production"}, ("--yes",), "Add --force"),
        ({"PERSONAS_ENV": "production"}, ("--yes",), "Add --force"),
    ]
    for env, options, text in refusals:
        refused = personas(*seed, *options, **env)
        assert (refused.code, text in refused.err, len(seeded.emails)) == (5, True, 3)
    forced = personas(*seed, "--yes", "--force", NODE_ENV="production")
    assert (forced.code, "--force: deleting in production." in forced.err) == (0, True)
    assert seeded.emails == {ADA}


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


def test_the_development_secret_is_announced_also_when_quiet() -> None:
    result = personas("seed", "--auth", "embedded", "-q", PERSONA_SEED_SECRET="")
    assert result.code == 0
    assert result.err.splitlines() == [
        "Using the public development seed secret; set PERSONA_SEED_SECRET for another one."
    ]
    assert "development" not in personas("seed", "--auth", "embedded", "-q").err


def test_requests_are_printed_with_verbose(seeded: Service) -> None:
    lines = personas("seed", *seeded.at, "-v").err.splitlines()
    assert lines[0].startswith("GET /api/v1/admin/personas 200 0.")
    assert seeded.at[3] not in "".join(lines)
