"""The text of a catalog file: what is no file, too large or not in UTF-8 is told before it is parsed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from personas.errors import CatalogError, Problem

_MAX_BYTES = 50_000_000
_NEXT_STEP = "name the catalog with --catalog FILE"


def read_file(file: str) -> bytes:
    """Read the bytes of a catalog file.

    Raises:
        CatalogError: It cannot be read, is no regular file, or is too large.
    """
    try:
        path = Path(file)
        refusal = _refuse(path.stat())
        if not refusal:
            return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        refusal = f"there is no such file; {_NEXT_STEP}"
    except OSError as error:
        refusal = f"the file cannot be read ({error.strerror or error}); {_NEXT_STEP}"
    except ValueError:
        refusal = f"no file can have this name; {_NEXT_STEP}"
    raise CatalogError((Problem("$", 1, 1, refusal, file),))


def _refuse(status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode):
        return f"this is a directory; {_NEXT_STEP}"
    if not stat.S_ISREG(status.st_mode):
        return f"this is not a regular file; {_NEXT_STEP}"
    if status.st_size >= _MAX_BYTES:
        return f"the file has {status.st_size:,} bytes; a catalog has less than {_MAX_BYTES:,}"
    return ""


def decode(data: bytes, file: str) -> str:
    """Decode a JSON text from UTF-8, with or without a byte order mark.

    Raises:
        CatalogError: The bytes are not UTF-8; the problem names the encoding, or the first wrong byte.
    """
    if encoding := _other_encoding(data[:4]):
        raise CatalogError((Problem("$", 1, 1, f"the file is in {encoding}; save it as UTF-8", file),))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder counts from behind the mark.
        start = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        line_start = data.rfind(b"\n", 0, start) + 1
        line = data.count(b"\n", 0, start) + 1
        column = len(data[line_start:start].decode("utf-8-sig", "replace")) + 1
        if b"\0" in data[:4096]:
            message = "this is a binary file, not a JSON text"
        else:
            message = f"the byte 0x{data[start]:02X} at offset {start} is not UTF-8; save the file as UTF-8"
        raise CatalogError((Problem("$", line, column, message, file),)) from None


def _other_encoding(head: bytes) -> str:
    if head in {b"\xff\xfe\0\0", b"\0\0\xfe\xff"}:
        return "UTF-32"
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "UTF-16"
    # Without a mark: a JSON text begins with two ASCII characters, so the NULs tell.
    match [bool(byte) for byte in head]:
        case [False, False, False, True] | [True, False, False, False]:
            return "UTF-32"
        case [False, True, False, True] | [True, False, True, False] | [True, False] | [False, True]:
            return "UTF-16"
    return ""
