"""Files that are written whole or not at all."""

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


def write_file(path: Path, text: str, *, private: bool = False) -> None:
    """Write a text in UTF-8 and replace the file at once; `private` files have mode 0600."""
    data = text.encode("utf-8", "backslashreplace")
    if path.is_file() or not path.exists():
        try:
            _replace(path, data, 0o600 if private else _default_mode(path))
        except OSError:
            # A bind-mounted file cannot be replaced, nor can one in a folder that is not ours.
            if not path.exists():
                raise
            if private:
                path.chmod(0o600)
        else:
            return
    path.write_bytes(data)


def _replace(path: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _default_mode(path: Path) -> int:
    """Return the mode of the file that is there, or that of a new file."""
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
