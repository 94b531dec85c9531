"""The one way in which names and texts of strangers are shown."""

from __future__ import annotations

import unicodedata

_WORDS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: object) -> str:
    r"""Return a text on one line that commands no terminal and no reader, and that every Unicode encoder takes.

    What is no visible character becomes its escape sequence: line breaks, control characters, characters that
    turn the direction of writing, and bytes of file names that are no UTF-8.

    >>> print(printable("a\nb \x1b[31m \u202egpj.exe"))
    a\nb \x1b[31m \u202egpj.exe
    >>> print(printable(b"Caf\xe9.jpg".decode("utf-8", "surrogateescape")))
    Caf\xe9.jpg
    """
    shown = str(text)
    return shown if shown.isprintable() else "".join(map(_shown, shown))


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that os.fsdecode could not read.
        code -= 0xDC00
    if character in _WORDS:
        return _WORDS[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
