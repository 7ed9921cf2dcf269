"""Session cookies: which one a service has set, and whether it can be handed on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http.cookies import CookieError, Morsel, SimpleCookie

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")
_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]{1,4000}")


def find_session_cookie(headers: Iterable[str]) -> Morsel[str] | None:
    """The session cookie among some Set-Cookie headers; None where none can be used."""
    for header in headers:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(header)
        except CookieError:
            continue
        for name, morsel in jar.items():
            # Behind https the name gets a prefix.
            if name.endswith("session_token") and is_cookie(name, morsel.coded_value):
                return morsel
    return None


def is_cookie(name: str, value: str) -> bool:
    """Whether this is one cookie and nothing else: no second header, and no command to a CI runner."""
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        return False
    return "##[" not in f"{name}={value}"
