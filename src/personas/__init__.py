"""Sync the test users of an auth service with a JSON catalog."""

from __future__ import annotations

__version__ = "1.0.0"
