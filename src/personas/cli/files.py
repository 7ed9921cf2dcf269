"""Files: read, written whole or not at all, and those that are for their owner alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from personas.errors import UsageError, why_unusable

PRIVATE = 0o600
GIT_SECONDS = 10
STDIN = "<stdin>"
MAX_PIPED_BYTES = 50_000_000


def replace_file(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a file whole or not at all.

    Args:
        path: The file; what it held before is replaced.
        text: What it shall hold.
        mode: Its permissions; None leaves them to the umask.

    Raises:
        OSError: It cannot be written; whatever was there is still there.
    """
    if mode is None:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def make_private_folder(path: Path, flag: str) -> None:
    """Make a folder for its owner alone; one that is there already stays as it is.

    Raises:
        UsageError: It cannot be made, or nothing can be written into it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{flag} {path} is a file; with --all it names a folder") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} {path} cannot be made: {why_unusable(error)}") from None
    check_private_file(path / "persona", flag)


def check_private_file(path: Path, flag: str) -> None:
    """Find out before anybody signs in that a file cannot be written.

    Raises:
        UsageError: It cannot.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{flag} {path} is a folder; name a file in it")
        if path.exists() and not path.is_file():
            raise UsageError(f"{flag} {path} is no ordinary file", hint="Leave it out to print instead.")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} {path} cannot be written: {why_unusable(error)}") from None


def find_tracked(paths: Sequence[Path]) -> list[Path]:
    """Those of the files in one folder that git tracks, or would add; none where there is no git to ask."""
    git = shutil.which("git")
    if git is None or not paths:
        return []
    names = "\0".join(path.name for path in paths)
    try:
        asked = subprocess.run(  # noqa: S603 - git itself, by its full path; names go through standard input
            [git, "-C", str(paths[0].parent), "check-ignore", "--stdin", "-z"],
            input=names.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    if asked.returncode not in {0, 1}:  # not in a repository
        return []
    ignored = set(asked.stdout.decode("utf-8", "surrogateescape").split("\0"))
    return [path for path in paths if path.name not in ignored]


def read_standard_input() -> bytes:
    """All of standard input.

    Raises:
        UsageError: It is a terminal, or holds more than any catalog.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("- reads a catalog from standard input, and that is a terminal", hint="Pipe it in.")
    piped = sys.stdin.buffer.read(MAX_PIPED_BYTES + 1)
    if len(piped) > MAX_PIPED_BYTES:
        raise UsageError(f"standard input holds more than {MAX_PIPED_BYTES:,} bytes: that is no catalog")
    return piped


def read_text(name: str, flag: str) -> str:
    """The text of a file that a flag names."""
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{flag} {name}: the file is no UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} {name}: {why_unusable(error)}") from None
