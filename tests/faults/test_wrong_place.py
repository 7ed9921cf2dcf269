"""Nothing is deleted in the wrong place, and nothing secret is sent to one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from personas.embedded import schema as tables

from .faultserver import Answer, Fault, Seen, fault_server
from .world import SECRET, World, both_worlds, email_of, entry, environment, run, write_catalog

LOST = "actions, feedback and spaces are lost"
PRODUCTION = pytest.mark.parametrize("variable", ["NODE_ENV", "PERSONAS_ENV"])
DELETING = pytest.mark.parametrize(
    ("args", "words"),
    [
        (("cleanup",), "cleanup would delete 3 personas"),
        (("seed", "--prune"), "--prune would delete 2 strays"),
    ],
    ids=["cleanup", "prune"],
)


@pytest.fixture
def catalog(real: World, tmp_path: Path) -> Path:
    """A catalog of one persona, on a service that has it and two strays."""
    real.add_personas("a", "stray", "other.stray")
    return write_catalog(tmp_path, ["a"])


@DELETING
def test_host_and_number_are_named_before_anything_is_deleted_and_nobody_there_means_no(
    real: World, catalog: Path, args: tuple[str, ...], words: str
) -> None:
    with fault_server(upstream=real.url) as proxy:
        ended = run(*args, "-c", catalog, env=environment(proxy.url, real.token))
        assert proxy.to("DELETE") == []
    assert ended.code == 5, ended
    assert f"{words} at {proxy.url}" in ended.err
    assert "--yes" in ended.err
    assert len(real.personas) == 3


@pytest.mark.parametrize(
    ("args", "words", "answer"),
    [
        (("cleanup",), "cleanup would delete 3 personas", "y"),
        (("seed", "--prune"), "--prune would delete 2 strays", ""),
        (("seed", "--prune"), "--prune would delete 2 strays", "yes"),
    ],
)
def test_on_a_terminal_host_and_number_are_asked_about_and_only_a_yes_deletes(
    real: World, catalog: Path, args: tuple[str, ...], words: str, answer: str
) -> None:
    code, shown = on_a_terminal(real, catalog, args, f"{answer}\n")
    assert f"{words} at {real.url}; their {LOST}. Go on? [y/N]" in " ".join(shown.split())
    if answer in {"y", "yes"}:
        assert code == 0, shown
        assert real.personas == ({email_of("a")} if args[0] == "seed" else set())
    else:
        assert code == 5, shown
        assert "nothing was changed" in shown
        assert len(real.personas) == 3


def on_a_terminal(real: World, catalog: Path, args: tuple[str, ...], answer: str) -> tuple[int, str]:
    """Run a command on a terminal of its own, with this answer typed; its exit code and what was shown."""
    ours, its = pty.openpty()
    env = {**os.environ, **environment(real.url, real.token), "TERM": "dumb", "COLUMNS": "200"}
    with subprocess.Popen(
        [sys.executable, "-m", "personas", *args, "-c", str(catalog)],
        stdin=its,
        stdout=its,
        stderr=its,
        env={name: value for name, value in env.items() if value is not None},
    ) as process:
        os.close(its)
        os.write(ours, answer.encode())
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            shown += part
        code = process.wait(20)
    os.close(ours)
    return code, shown.decode()


@pytest.mark.parametrize(
    ("_one_world", "answer"),
    [("embedded", "n"), ("embedded", "y"), ("original", "y")],
    indirect=["_one_world"],
    scope="session",
)
def test_recreating_asks_like_every_deletion(real: World, tmp_path: Path, answer: str) -> None:
    real.add_personas("a", "b")
    catalog = write_catalog(tmp_path, [entry("a", name="Another name"), "b"])
    before = {row["id"] for row in real.rows(tables.users)}
    words = f"--recreate would delete 1 persona and create it again at {real.url}; its {LOST}"
    env = environment(real.url, real.token)
    ended = run("seed", "--recreate", "-c", catalog, env=env)
    assert ended.code == 5, ended
    assert f"{words}: nobody can be asked here" in ended.err
    for variable in ("NODE_ENV", "PERSONAS_ENV"):
        ended = run("seed", "--recreate", "--yes", "-c", catalog, env={**env, variable: "production"})
        assert ended.code == 5, ended
        assert "and this is production" in ended.err
    assert {row["id"] for row in real.rows(tables.users)} == before
    code, shown = on_a_terminal(real, catalog, ("seed", "--recreate"), f"{answer}\n")
    assert f"{words}. Go on? [y/N]" in " ".join(shown.split())
    assert code == (0 if answer == "y" else 5), shown
    assert ({row["id"] for row in real.rows(tables.users)} == before) is (answer == "n")


def test_pruning_and_recreating_are_asked_about_together(real: World, catalog: Path) -> None:
    write_catalog(catalog.parent, [entry("a", name="Another name")])
    env = environment(real.url, real.token)
    ended = run("seed", "--recreate", "--prune", "-c", catalog, env=env)
    assert ended.code == 5, ended
    both = "--prune would delete 2 strays and --recreate would delete 1 persona and create it again"
    assert f"{both} at {real.url}; their {LOST}" in ended.err
    assert len(real.personas) == 3


@PRODUCTION
@DELETING
def test_production_refuses_deletions_also_with_yes(
    real: World, catalog: Path, args: tuple[str, ...], words: str, variable: str
) -> None:
    env = environment(real.url, real.token, **{variable: "production"})
    ended = run(*args, "--yes", "-c", catalog, env=env)
    assert ended.code == 5, ended
    assert f"{words} at {real.url}, and this is production" in ended.err
    assert "--force" in ended.err
    assert len(real.personas) == 3
    assert run(*args, "--yes", "--force", "-c", catalog, env=env).code == 0
    assert len(real.personas) < 3


def test_an_empty_answer_of_the_service_deletes_nothing_and_asks_nothing(real: World, catalog: Path) -> None:
    empty = Answer(200, {"personas": []})

    def script(seen: Seen) -> Fault | None:
        return empty if seen.target == "GET /api/v1/admin/personas" else None

    with fault_server(script, real.url) as proxy:
        env = environment(proxy.url, real.token, NODE_ENV="production")
        ended = run("cleanup", "-c", catalog, env=env)
        assert proxy.to("DELETE") == []
    assert ended.code == 0, ended
    assert "nothing to delete" in ended.out.lower()
    assert len(real.personas) == 3


@pytest.mark.parametrize("content", [None, "{", '{"personas": [{}]}'], ids=["missing", "no-json", "invalid"])
def test_with_a_catalog_that_cannot_be_read_cleanup_warns_that_drift_is_unknown_and_goes_on(
    real: World, catalog: Path, content: str | None
) -> None:
    catalog.unlink()
    if content is not None:
        catalog.write_text(content)
    env = environment(real.url, real.token)
    asked = run("cleanup", "-c", catalog, env=env)
    assert asked.code == 5
    ended = run("cleanup", "-c", catalog, "--yes", env=env)
    assert ended.code == 0, ended
    assert "drift is not known" in ended.everything
    assert "3 deleted" in ended.out
    assert real.personas == set()


@both_worlds
def test_cleanup_warns_of_drift_before_it_deletes(real: World, catalog: Path) -> None:
    ended = run("cleanup", "-c", catalog, "--dry-run", env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert "Warning: there is drift: 2 strays" in ended.out
    assert len(real.personas) == 3


@pytest.mark.parametrize("args", [("cleanup", "--yes"), ("seed", "--prune", "--yes")])
def test_strays_outside_the_personas_own_domain_are_left_alone_without_force(
    real: World, catalog: Path, args: tuple[str, ...]
) -> None:
    real.add_personas("elsewhere@example.com")
    env = environment(real.url, real.token)
    assert run(*args, "-c", catalog, env=env).code == 0
    assert "elsewhere@example.com" in real.personas
    assert run(*args, "--force", "-c", catalog, env=env).code == 0
    assert "elsewhere@example.com" not in real.personas


@pytest.mark.parametrize("command", [("seed",), ("cleanup", "--yes")])
@pytest.mark.parametrize(
    "file", ["missing/report.json", "folder.json", "catalog.json/report.json", "report.pdf", "nul\x00.json"]
)
def test_a_report_file_that_cannot_be_written_is_told_before_the_first_request(
    real: World, catalog: Path, command: tuple[str, ...], file: str
) -> None:
    (catalog.parent / "folder.json").mkdir()
    with fault_server(upstream=real.url) as proxy:
        env = environment(proxy.url, real.token)
        ended = run(*command, "-c", catalog, "--report", f"{catalog.parent}/{file}", env=env)
        assert proxy.seen == []
    assert ended.code == 2, ended
    assert "--report" in ended.err
    assert len(real.personas) == 3


@pytest.mark.parametrize(
    "url", ["http://auth.example.com", "http://192.0.2.7:3001", "http://localhost.example.com"]
)
def test_plain_http_to_another_machine_is_refused(real: World, catalog: Path, url: str) -> None:
    ended = run("seed", "-c", catalog, env=environment(url, real.token))
    assert ended.code == 5, ended
    assert "plain http to another machine" in ended.err
    assert "--allow-http" in ended.err


@pytest.mark.parametrize("said", [None, "dev-persona-seed-secret-rotate-in-prod"], ids=["by-default", "said"])
@pytest.mark.parametrize("command", [("seed",), ("password", "a@mana.test")])
def test_the_development_secret_is_refused_for_another_machine_and_under_production(
    real: World, catalog: Path, said: str | None, command: tuple[str, ...]
) -> None:
    far = environment("https://auth.invalid", real.token, PERSONA_SEED_SECRET=said)
    ended = run(*command, "-c", catalog, env=far)
    assert ended.code == 5, ended
    assert "the development secret is refused for a service that is not on this machine" in ended.err
    near = environment(real.url, real.token, PERSONA_SEED_SECRET=said, PERSONAS_ENV="Production")
    ended = run(*command, "-c", catalog, env=near)
    assert ended.code == 5, ended
    assert "the development secret is refused under production" in ended.err
    assert ended.out == ""
    assert len(real.personas) == 3


def test_a_preview_elsewhere_tries_no_password_of_the_development_secret(real: World, catalog: Path) -> None:
    real.add_humans("human")
    write_catalog(catalog.parent, ["a", "human"])
    with fault_server(upstream=real.url) as proxy:
        env = environment(proxy.url, real.token, PERSONA_SEED_SECRET=None, NODE_ENV="production")
        ended = run("dry-run", "-c", catalog, "--check-login", env=env)
        assert proxy.to("/api/auth/") == []
    assert ended.code == 6, ended
    assert "No password was tried" in ended.out


@both_worlds
def test_a_collision_among_many_changes_stops_all_of_them(real: World, catalog: Path) -> None:
    real.add_humans("human")
    write_catalog(catalog.parent, [entry("a", archetype="new"), "human", "n1", "n2"])
    with fault_server(upstream=real.url) as proxy:
        env = environment(proxy.url, real.token)
        ended = run("seed", "-c", catalog, "--prune", "--yes", "--recreate", env=env)
        writes = [seen.target for seen in proxy.seen if seen.method in {"POST", "DELETE"}]
    assert ended.code == 5, ended
    # The human's email was tried, and each live persona was asked for spaces, and signed out again.
    assert sorted(writes) == ["POST /api/auth/sign-in/email"] * 4 + ["POST /api/auth/sign-out"] * 3
    assert SECRET not in ended.everything
    assert len(real.personas) == 3
