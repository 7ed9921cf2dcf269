from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from personas.embedded import Embedded

if TYPE_CHECKING:
    from pathlib import Path


async def _answer(embedded: Embedded, method: str, path: str, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(embedded.app)
    async with httpx.AsyncClient(transport=transport, base_url=embedded.base_url) as client:
        return await client.request(method, path, **options)


@pytest.mark.anyio
async def test_the_first_start_makes_the_file_for_its_owner_alone_and_an_admin_who_can_sign_in(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new" / "folder" / "auth.db"
    with Embedded.open(path, scrypt_cost=2) as embedded:
        assert embedded.admin is not None
        assert embedded.admin.password not in repr(embedded.admin)
        credentials = {"email": embedded.admin.email, "password": embedded.admin.password}
        login = await _answer(embedded, "POST", "/api/v1/auth/login", json=credentials)
        headers = {"authorization": f"Bearer {login.json()['accessToken']}"}
        listed = await _answer(embedded, "GET", "/api/v1/admin/personas", headers=headers)
    assert (listed.status_code, listed.json()) == (200, {"personas": []})
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.anyio
async def test_a_later_start_knows_the_admin_by_its_hash_only_and_accepts_older_tokens(
    tmp_path: Path,
) -> None:
    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2) as first:
        headers = {"authorization": f"Bearer {first.admin_token()}"}
    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2) as second:
        assert second.admin is None
        answer = await _answer(second, "GET", "/api/v1/personas/admin", headers=headers)
    assert answer.status_code == 200
