"""What can be read in an answer: its JSON without secrets, its error, its wait and its date."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from personas.redact import Secret, redact
from personas.services.models import Answer

MAX_DETAIL_LENGTH = 300


def read_answer(
    status: int, content: bytes, secrets: Sequence[Secret] = (), set_cookies: Sequence[str] = ()
) -> Answer:
    """Return the answer; what the service echoes of the call's own secrets is masked."""
    text = content.decode("utf-8", "replace")
    for secret in secrets:
        text = secret.mask(text)
    body, is_json = None, True
    try:
        body = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        is_json = False
    code = body.get("code") if isinstance(body, dict) else None
    return Answer(
        status=status,
        body=body,
        is_json=is_json,
        detail=error_detail(body) if status >= 400 else "",
        code=code[:100] if isinstance(code, str) else "",
        set_cookies=tuple(set_cookies),
    )


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After (seconds or a date) or X-Retry-After (seconds) asks to wait."""
    for name in ("retry-after", "x-retry-after"):
        text = headers.get(name, "")
        try:
            seconds = float(text)
        except ValueError:
            at = parse_date(text)
            seconds = (at - datetime.now(UTC)).total_seconds() if at else math.nan
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def parse_date(text: str) -> datetime | None:
    """Return an HTTP date; None for any other text."""
    try:
        at = parsedate_to_datetime(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def error_detail(body: object) -> str:
    """Return what a JSON error says, in one line without secrets; empty if it says nothing.

    Services answer `{error}`, `{error, message}`, `{error, details: […]}` or `{statusCode, message}`.
    """
    if not isinstance(body, dict):
        return ""
    texts: list[object] = []
    for key in ("error", "message", "details", "hint"):
        value = body.get(key)
        texts += value if isinstance(value, list) else [value]
    said = "; ".join(dict.fromkeys(text for text in texts if isinstance(text, str) and text.strip()))
    # Secrets first: a cut or cleaned secret would no longer be recognised.
    shown = "".join(char if char.isprintable() else " " for char in redact(said[: 10 * MAX_DETAIL_LENGTH]))
    line = " ".join(shown.split())
    return line if len(line) <= MAX_DETAIL_LENGTH else f"{line[:MAX_DETAIL_LENGTH]}…"
