"""Files that commands write."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from personas.errors import UsageError


def check_writable(name: str, option: str) -> Path:
    """Return the path of a file that can be written; `option` named it. A symlink to a file is followed.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path = Path(name)
        path = path.resolve() if path.is_file() else path
        problem = ""
        if not name:
            problem = "the file name is empty"
        elif path.is_dir():
            problem = "it is a directory"
        elif not path.parent.is_dir():
            problem = f"the directory {path.parent} does not exist"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            problem = "permission denied"
    except (OSError, ValueError) as error:
        problem = str(error)
    if problem:
        raise UsageError(f"{option} {name!r} cannot be written: {problem}.")
    return path


def write_private_file(path: Path, text: str) -> None:
    """Replace a file at once by one with mode 0600; a pipe or a device is written as it is."""
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8")
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # has this mode
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
