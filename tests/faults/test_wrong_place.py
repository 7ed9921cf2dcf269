"""Nothing is deleted in the wrong place, and nothing secret is sent to one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from .faultserver import Answer, nothing, when
from .world import PERSONAS, SECRET, SIGN_IN, SIGN_OUT, World, both_worlds, email_of, entry, of_a_process

LOST = "actions, feedback and spaces are lost"
ALL = {email_of(local) for local in ("a", "stray", "other.stray")}
PRODUCTION = pytest.mark.parametrize("variable", ["NODE_ENV", "PERSONAS_ENV"])
DELETING = pytest.mark.parametrize(
    ("args", "words"),
    [
        (("cleanup",), "cleanup would delete 3 personas"),
        (("seed", "--prune"), "--prune would delete 2 strays"),
        (("seed", "--recreate"), "--recreate would delete 1 persona and create it again"),
        (
            ("seed", "--recreate", "--prune"),
            "--prune would delete 2 strays and --recreate would delete 1 persona and create it again",
        ),
    ],
    ids=["cleanup", "prune", "recreate", "both"],
)


@pytest.fixture
def deployed(real: World) -> World:
    """A service with one persona of the catalog, under another name there, and two strays."""
    real.add_personas("a", "stray", "other.stray")
    real.write_catalog(entry("a", name="Another name"))
    return real


@DELETING
def test_host_and_number_are_named_before_anything_is_deleted_and_nobody_there_means_no(
    deployed: World, args: tuple[str, ...], words: str
) -> None:
    before = deployed.keep()
    ended = deployed.run(*args, exits=5)
    whose = "its" if args == ("seed", "--recreate") else "their"
    assert f"{words} at {deployed.url}; {whose} {LOST}: nobody can be asked here" in ended.err
    assert "--yes" in ended.err
    assert deployed.keep() == before


@pytest.mark.parametrize(
    ("args", "question", "answer", "code"),
    [
        (("seed", "--prune"), "--prune would delete 2 strays at {}; their", "yes", 0),
        (("seed", "--recreate"), "--recreate would delete 1 persona and create it again at {}; its", "", 5),
    ],
    ids=["yes", "nothing"],
)
def test_on_a_terminal_host_and_number_are_asked_about_and_only_a_yes_deletes(
    deployed: World, args: tuple[str, ...], question: str, answer: str, code: int
) -> None:
    before = deployed.keep()
    ended, shown = on_a_terminal(deployed, args, f"{answer}\n")
    assert f"{question.format(deployed.url)} {LOST}. Go on? [y/N]" in " ".join(shown.split())
    assert ended == code, shown
    if code == 0:
        assert deployed.personas == {email_of("a")}
    else:
        assert "nothing was changed" in shown
        assert deployed.keep() == before


def on_a_terminal(deployed: World, args: tuple[str, ...], answer: str) -> tuple[int, str]:
    """Run a command on a terminal of its own, with this answer typed; its exit code and what was shown."""
    ours, its = pty.openpty()
    env = of_a_process({**deployed.environment(), "TERM": "dumb", "COLUMNS": "200"})
    with subprocess.Popen(
        [sys.executable, "-m", "personas", *map(str, deployed.arguments(*args))],
        stdin=its,
        stdout=its,
        stderr=its,
        env=env,
    ) as process:
        os.close(its)
        os.write(ours, answer.encode())
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # the other side is closed
            pass
        code = process.wait(20)
    os.close(ours)
    return code, shown.decode()


@PRODUCTION
@DELETING
def test_production_refuses_deletions_also_with_yes(
    deployed: World, args: tuple[str, ...], words: str, variable: str
) -> None:
    before = deployed.keep()
    ended = deployed.run(*args, "--yes", exits=5, env={variable: "production"})
    assert f"{words} at {deployed.url}, and this is production" in ended.err
    assert "--force" in ended.err
    assert deployed.keep() == before
    deployed.run(*args, "--yes", "--force", env={variable: "production"})
    assert deployed.keep() != before


def test_an_empty_answer_of_the_service_deletes_nothing_and_asks_nothing(deployed: World) -> None:
    empty = when(f"GET {PERSONAS}$", then=Answer(200, {"personas": []}))
    ended = deployed.run("cleanup", through=empty, env={"NODE_ENV": "production"})
    assert ended.seen.to("DELETE") == []
    assert "nothing to delete" in ended.out.lower()
    assert deployed.personas == ALL


@pytest.mark.parametrize("content", [None, "{", '{"personas": [{}]}'], ids=["missing", "no-json", "invalid"])
def test_with_a_catalog_that_cannot_be_read_cleanup_warns_that_drift_is_unknown_and_goes_on(
    deployed: World, content: str | None
) -> None:
    deployed.catalog.unlink()
    if content is not None:
        deployed.catalog.write_text(content)
    deployed.run("cleanup", exits=5)
    ended = deployed.run("cleanup", "--yes")
    assert "drift is not known" in ended.everything
    assert "3 deleted" in ended.out
    assert deployed.personas == set()


@pytest.mark.parametrize("args", [("cleanup", "--yes"), ("seed", "--prune", "--yes")])
def test_strays_outside_the_personas_own_domain_are_left_alone_without_force(
    deployed: World, args: tuple[str, ...]
) -> None:
    deployed.add_personas("elsewhere@example.com")
    deployed.run(*args)
    assert "elsewhere@example.com" in deployed.personas
    deployed.run(*args, "--force")
    assert "elsewhere@example.com" not in deployed.personas


@pytest.mark.parametrize("command", [("seed",), ("cleanup", "--yes")])
@pytest.mark.parametrize(
    "file", ["missing/report.json", "folder.json", "catalog.json/report.json", "report.pdf", "nul\x00.json"]
)
def test_a_report_file_that_cannot_be_written_is_told_before_the_first_request(
    deployed: World, command: tuple[str, ...], file: str
) -> None:
    (deployed.folder / "folder.json").mkdir()
    ended = deployed.run(*command, "--report", f"{deployed.folder}/{file}", through=nothing, exits=2)
    assert ended.seen == []
    assert "--report" in ended.err


def test_plain_http_to_another_machine_is_refused(deployed: World) -> None:
    ended = deployed.run("seed", exits=5, env={"MANA_AUTH_URL": "http://localhost.example.com"})
    assert "plain http to another machine" in ended.err
    assert "--allow-http" in ended.err


@pytest.mark.parametrize("said", [None, "dev-persona-seed-secret-rotate-in-prod"], ids=["by-default", "said"])
@pytest.mark.parametrize("command", [("seed",), ("password", "a@mana.test")])
def test_the_development_secret_is_refused_for_another_machine_and_under_production(
    deployed: World, said: str | None, command: tuple[str, ...]
) -> None:
    development = {"PERSONA_SEED_SECRET": said}
    far = deployed.run(*command, exits=5, env={**development, "MANA_AUTH_URL": "https://auth.invalid"})
    assert "the development secret is refused for a service that is not on this machine" in far.err
    near = deployed.run(*command, exits=5, env={**development, "PERSONAS_ENV": "Production"})
    assert "the development secret is refused under production" in near.err
    assert near.out == ""
    assert deployed.personas == ALL


def test_a_preview_elsewhere_tries_no_password_of_the_development_secret(deployed: World) -> None:
    deployed.add_humans("human")
    deployed.write_catalog("a", "human")
    elsewhere = {"PERSONA_SEED_SECRET": None, "NODE_ENV": "production"}
    ended = deployed.run("dry-run", "--check-login", through=nothing, exits=6, env=elsewhere)
    assert ended.seen.to("/api/auth/") == []
    assert "No password was tried" in ended.out


@both_worlds
def test_a_collision_among_many_changes_stops_all_of_them(deployed: World) -> None:
    deployed.add_humans("human")
    deployed.write_catalog(entry("a", archetype="new"), "human", "n1", "n2")
    ended = deployed.run("seed", "--prune", "--yes", "--recreate", through=nothing, exits=5)
    # The human's email was tried, and each live persona was asked for spaces, and signed out again.
    writes = sorted(seen.target for seen in ended.seen.to("POST|DELETE"))
    assert writes == [f"POST {SIGN_IN}"] * 4 + [f"POST {SIGN_OUT}"] * 3
    assert SECRET not in ended.everything
    assert deployed.personas == ALL
