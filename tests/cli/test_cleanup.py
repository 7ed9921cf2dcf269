from __future__ import annotations

from .conftest import ADA, BO, CY, Service, entry, personas, write_catalog


def test_cleanup_deletes_all_personas_in_scope_and_no_others(seeded: Service) -> None:
    seeded.create("eve", email="books.eve@acme.test")
    seeded.create("extra")
    assert personas("cleanup", *seeded.at, "--only", "solo-dev", "--yes").code == 0
    assert seeded.emails == {ADA, BO, "persona.extra@mana.test", "books.eve@acme.test"}
    result = personas("cleanup", *seeded.at, "--yes")
    assert (result.code, "3 deleted (4 requests" in result.out) == (0, True)
    assert "in sync" not in result.out
    assert seeded.emails == {"books.eve@acme.test"}
    again = personas("cleanup", *seeded.at, "--yes")
    assert (again.code, "Checksum" in again.out) == (0, False)


def test_cleanup_shows_the_drift_of_the_list_and_needs_a_yes(seeded: Service) -> None:
    write_catalog(entry("ada", archetype="parent"), entry("bo"), entry("new"))
    for options in (("--dry-run",), ()):
        result = personas("cleanup", *seeded.at, *options)
        assert result.code == (0 if options else 5)
        assert "differ before the cleanup" in result.out
        rows = [line for line in result.out.splitlines() if "not in the catalog" in line and "@" in line]
        assert [CY in row for row in rows] == [True]
        assert "in sync" not in result.out
    assert seeded.emails == {ADA, BO, CY}


def test_cleanup_needs_a_valid_catalog_and_an_existing_database() -> None:
    assert personas("cleanup", "-c", "missing.json", "--yes").code == 3
    result = personas("cleanup", "--auth", "embedded", "--yes")
    assert (result.code, "does not exist" in result.err) == (2, True)
