from __future__ import annotations

from pathlib import Path

from .conftest import ADA, BO, Service, entry, personas, write_catalog


def test_list_shows_the_personas_in_scope(seeded: Service) -> None:
    seeded.create("eve", email="books.eve@acme.test")
    result = personas("list", *seeded.at)
    assert (result.code, ADA in result.out, "books.eve" in result.out) == (0, True, False)
    assert "3 personas (1 request" in result.out
    assert BO not in personas("list", *seeded.at, "--only", "ada").out
    assert personas("list", *seeded.at, "--only", "nope").code == 2


def test_list_as_json_has_all_details(seeded: Service) -> None:
    live = personas("list", *seeded.at, "-o", "json").json["live"]
    assert [persona["email"] for persona in live["personas"]] == sorted(seeded.emails)
    assert all(persona["systemPrompt"].startswith("You are") for persona in live["personas"])
    assert {"takenAt", "service", "scope", "only"} <= live.keys()


def test_list_needs_no_catalog_but_a_named_one_must_exist(seeded: Service) -> None:
    Path("catalog.json").unlink()
    assert ADA in personas("list", *seeded.at).out
    assert personas("list", *seeded.at, "-c", "missing.json").code == 3
    assert personas("list", *seeded.at, PERSONAS_CATALOG="missing.json").code == 3
    write_catalog(entry("eve", email="books.eve@acme.test"), scope="books.*@acme.test")
    assert ADA not in personas("list", *seeded.at).out


def test_show_finds_a_persona_by_email_local_part_and_name(seeded: Service) -> None:
    for who in (ADA, "persona.ada", "ada", "ADA"):
        result = personas("show", who, *seeded.at)
        assert (result.code, "who tests things" in result.out) == (0, True)
    document = personas("show", "ada", *seeded.at, "-o", "json").json
    assert document["live"]["personas"][0]["moduleMix"] == {"todo": 0.5, "notes": 1}
    wrong = personas("show", "adda", *seeded.at)
    assert (wrong.code, f"Did you mean {ADA}?" in wrong.err) == (2, True)
    seeded.create("omar", email="books.omar@acme.test")
    write_catalog(entry("omar", email="books.omar@acme.test"), scope="books.*@acme.test")
    assert "books.omar@acme.test" in personas("show", "omar", *seeded.at).out
