"""httpx, imported without the command line that it has of its own.

Where click is installed, httpx imports its command line, and with it pygments and half of rich: a third of
the time that this tool takes to start. Without click it does without, so there is none while httpx is
imported.
"""

import sys

_HIDDEN = {} if "httpx" in sys.modules or "click" in sys.modules else {"click": None}
sys.modules.update(_HIDDEN)  # type: ignore[arg-type]  # None hides a module
try:
    import httpx
finally:
    for _name in _HIDDEN:
        del sys.modules[_name]

__all__ = ["httpx"]
