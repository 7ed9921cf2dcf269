"""How a real browser is run in tests."""

from __future__ import annotations

import os

# Looked up here: no test sees the variables of whoever runs it.
CI = bool(os.environ.get("CI"))

CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
