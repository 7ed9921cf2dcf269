"""The SQLite file as a file: it holds keys and hashes, so it is its owner's alone, and kept out of git."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from personas.embedded.errors import DatabaseError

logger: Final = logging.getLogger("personas.embedded")

OWN: Final = 0o600
OTHERS: Final = 0o077
COMPANIONS: Final = ("-wal", "-shm")  # what SQLite keeps beside a file
GIT_SECONDS: Final = 5
NOT_IGNORED: Final = 1


def make_file(path: Path) -> None:
    """Create the folder and the file where they are missing, the file for its owner alone.

    Raises:
        DatabaseError: The file cannot be made or opened.
    """
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWN))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"the database {path} cannot be opened: {reason}"
        raise DatabaseError(message, hint="Name a file in a folder that you can write to.") from None


def keep_private(path: Path) -> None:
    """Take away what rights others have on a database of ours, and warn of git; a word for each."""
    files = [path, *(path.with_name(path.name + ending) for ending in COMPANIONS)]
    try:
        restricted = [file for file in files if _restrict(file)]
        if restricted:
            logger.warning("%s holds keys and hashes, and others could read it: its mode is 600 now", path)
    except OSError as error:
        logger.warning("%s holds keys and hashes, and others can read it: %s", path, error.strerror)
    _warn_of_git(path)


def _restrict(path: Path) -> bool:
    """Make a file its owner's alone; whether it was not."""
    try:
        was_open = bool(path.stat().st_mode & OTHERS)
        if was_open:
            path.chmod(OWN)
    except FileNotFoundError:
        return False
    return was_open


def _warn_of_git(path: Path) -> None:
    """Warn when git keeps the file, or would with the next `git add`."""
    folder = path.absolute().parent
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return
    git = shutil.which("git")
    if git is None:
        return
    command = [git, "-C", str(folder), "check-ignore", "--quiet", "--", path.name]
    try:
        asked = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False)  # noqa: S603 - git itself, by its full path
    except (OSError, subprocess.TimeoutExpired):
        return
    if asked.returncode == NOT_IGNORED:
        logger.warning("%s holds keys and hashes, and git does not ignore it: add it to .gitignore", path)
