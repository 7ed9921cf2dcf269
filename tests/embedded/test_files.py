"""The SQLite file: what its first start puts there, who may read it, and whether git would keep it."""

from __future__ import annotations

import logging
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from personas.embedded import Embedded

from .client import PERSONAS, Client

if TYPE_CHECKING:
    from pathlib import Path

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def test_the_first_start_makes_a_private_file_and_an_admin_whom_later_ones_know(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new" / "folder" / "auth.db"
    with Embedded.open(path, scrypt_cost=2) as first:
        admin = first.admin
        assert admin is not None
        assert admin.password not in repr(admin)
        token = Client(first).login(admin.email, admin.password).json()["accessToken"]
    assert _mode(path) == 0o600
    with Embedded.open(path, scrypt_cost=2) as second:
        assert second.admin is None
        headers = {"authorization": f"Bearer {token}"}  # which outlives the start it was given by
        listed = Client(second).call("GET", PERSONAS, headers=headers)
    assert (listed.status_code, listed.json()) == (200, {"personas": []})


def test_an_admin_is_introduced_until_a_block_has_shown_it_by_a_password_that_works(tmp_path: Path) -> None:
    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2) as first:
        unseen = first.admin  # of a service in process, which shows nothing
    assert unseen is not None
    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2) as second:
        with pytest.raises(BrokenPipeError), second.introducing_admin():
            raise BrokenPipeError
        with second.introducing_admin() as admin:
            assert admin is not None
        for password, status in ((admin.password, 200), (unseen.password, 401)):
            assert Client(second).sign_in(admin.email, password).status_code == status
        with second.introducing_admin() as nobody:
            assert nobody is None


def test_a_file_that_others_can_read_becomes_private(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "auth.db"
    Embedded.open(path, scrypt_cost=2).close()
    path.chmod(0o644)
    for _ in range(2):
        Embedded.open(path, scrypt_cost=2).close()
    assert _mode(path) == 0o600
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} holds keys and hashes, and others could read it: its mode is 600 now"
    ]


def test_what_sqlite_keeps_beside_the_file_is_its_owners_alone_too(tmp_path: Path) -> None:
    path = tmp_path / "auth.db"
    path.touch(mode=0o644)
    with Embedded.open(path, scrypt_cost=2):
        companions = sorted(file.name for file in tmp_path.iterdir())
        assert companions == ["auth.db", "auth.db-shm", "auth.db-wal"]
        for file in tmp_path.iterdir():
            assert _mode(file) == 0o600
            file.chmod(0o644)
        Embedded.open(path, scrypt_cost=2).close()
        assert {_mode(file) for file in tmp_path.iterdir()} == {0o600}


@needs_git
def test_a_file_that_git_would_keep_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _git(tmp_path, "init", "--quiet")
    path = tmp_path / "deep" / "auth.db"
    path.parent.mkdir()
    Embedded.open(path, scrypt_cost=2).close()
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} holds keys and hashes, and git does not ignore it: add it to .gitignore"
    ]
    assert caplog.records[0].levelno == logging.WARNING


@needs_git
def test_an_ignored_file_is_warned_of_when_git_keeps_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _git(tmp_path, "init", "--quiet")
    path = tmp_path / ".personas" / "auth.db"
    for _ in range(2):  # the first makes the folder, and a .gitignore in it
        Embedded.open(path, scrypt_cost=2).close()
    assert caplog.records == []
    _git(tmp_path, "add", "--force", str(path))
    Embedded.open(path, scrypt_cost=2).close()
    assert len(caplog.records) == 1
