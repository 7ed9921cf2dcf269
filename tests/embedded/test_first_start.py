from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from personas.embedded import Embedded

from .client import PERSONAS, Client

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_start_makes_the_file_for_its_owner_alone_and_an_admin_whom_later_ones_know_by_its_hash(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new" / "folder" / "auth.db"
    with Embedded.open(path, scrypt_cost=2) as first:
        admin = first.admin
        assert admin is not None
        assert admin.password not in repr(admin)
        token = Client(first).login(admin.email, admin.password).json()["accessToken"]
    assert path.stat().st_mode & 0o777 == 0o600
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
