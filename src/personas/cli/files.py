"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from personas.errors import UsageError

PRIVATE = 0o600


def check_writable(name: str, option: str) -> Path:
    """Return the path if a file can be written there; a symlink to a file is followed.

    Raises:
        UsageError: It cannot; `option` is the option that named it.
    """
    if not name:
        raise UsageError(f"{option}: the file name is empty.", hint="Is the variable that it comes from set?")
    try:
        path = Path(name)
        path = path.resolve() if path.is_file() else path
        if path.is_dir():
            raise UsageError(f"{option} {name} is a directory.")
        if not path.parent.is_dir():
            raise UsageError(f"{option} {name}: the directory {path.parent} does not exist.")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError(f"{option} {name} cannot be written: permission denied.")
    except (OSError, ValueError) as error:
        raise UsageError(f"{option} {name} cannot be written: {_reason(error)}.") from None
    return path


def make_private_folder(name: str, option: str) -> Path:
    """Return a folder that can be written; it is created with mode 0700 if it does not exist.

    Raises:
        UsageError: It cannot be created or written; `option` is the option that named it.
    """
    folder = Path(name)
    try:
        if name:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{option} {name} is a file, not a directory.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{option} {name} cannot be created: {_reason(error)}.") from None
    check_writable(name and str(folder / "file"), option)
    return folder


def write_file(path: Path, text: str, *, private: bool = False) -> None:
    """Write a text in UTF-8, replacing the file at once; `private` files have mode 0600.

    Raises:
        UsageError: The file cannot be written.
    """
    data = text.encode("utf-8", "backslashreplace")
    try:
        if path.exists() and not path.is_file():  # a pipe or a device
            path.write_bytes(data)
            return
        try:
            _replace(path, data, PRIVATE if private else _default_mode(path))
        except OSError:
            # A bind-mounted file cannot be replaced, nor can one in a folder that others own.
            if not path.exists():
                raise
            if private:
                path.chmod(PRIVATE)
            path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {_reason(error)}.") from None


def _replace(path: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _default_mode(path: Path) -> int:
    """Return the mode of the file that is there, or that of a new file."""
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
