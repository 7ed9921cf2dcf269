from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from personas.catalog.reading import Catalog

from .conftest import SECRET, Service


def log_in(service: Service, catalog: Catalog, file: Path, *options: str) -> None:
    """As a program of its own: Playwright has an event loop of its own in this one."""
    command = [sys.executable, "-m", "personas", "login", "ada", "--as", "storage-state", "--out", str(file)]
    variables = {
        "MANA_AUTH_URL": service.url,
        "PERSONA_SEED_SECRET": SECRET,
        "PERSONAS_CATALOG": catalog.file,
    }
    subprocess.run([*command, *options], env={"PATH": os.defpath, **variables}, check=True)


def test_a_storage_state_file_signs_a_browser_in_as_the_persona(
    service: Service, catalog: Catalog, browser: Browser, tmp_path: Path
) -> None:
    log_in(service, catalog, tmp_path / "ada.json")
    with browser.new_context() as stranger:
        page = stranger.new_page()
        page.goto(service.url)
        assert page.inner_text("#who") == "Nobody is signed in"
    with browser.new_context(storage_state=tmp_path / "ada.json") as context:
        page = context.new_page()
        page.goto(service.url)
        assert "Signed in as Ada O'Neil" in page.inner_text("#who")


def test_the_cookie_is_for_the_host_that_the_browser_goes_to_and_for_no_other(
    service: Service, catalog: Catalog, browser: Browser, tmp_path: Path
) -> None:
    log_in(service, catalog, tmp_path / "ada.json", "--base-url", "http://localhost:5173")
    with browser.new_context(storage_state=tmp_path / "ada.json") as context:
        page = context.new_page()
        page.goto(service.url.replace("127.0.0.1", "localhost"))
        assert "Signed in as Ada O'Neil" in page.inner_text("#who")
        page.goto(service.url)
        assert page.inner_text("#who") == "Nobody is signed in"
