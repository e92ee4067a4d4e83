"""A fingerprint that two people can compare aloud.

The PGP word list (Juola and Zimmermann, 1996) has a word for each byte: of two syllables at even
places and of three at odd ones, so that a word left out or two exchanged are heard. A SHA-256
digest is 32 words, and all of them count: whoever makes both files finds two that agree in the
first 8 words with 2^32 tries, and one that agrees with a given file there with 2^64.
"""

from functools import cache
from importlib.resources import files

WORDS_A_LINE = 8
_GROUP = 4


def spoken(data: bytes) -> str:
    """Return the words of some bytes, with spaces between."""
    table = _words()
    return " ".join(table[value][place % 2] for place, value in enumerate(data))


def spoken_lines(data: bytes) -> list[str]:
    """Return the words in lines of `WORDS_A_LINE`."""
    words = spoken(data).split()
    return [" ".join(words[i : i + WORDS_A_LINE]) for i in range(0, len(words), WORDS_A_LINE)]


def hex_groups(digest: str) -> list[str]:
    """Return hexadecimal digits in groups of four."""
    return [digest[i : i + _GROUP] for i in range(0, len(digest), _GROUP)]


@cache
def _words() -> list[tuple[str, str]]:
    text = (files("wmproof._base") / "pgp_words.txt").read_text(encoding="ascii")
    table = []
    for line in text.splitlines():
        even, odd = line.split()
        table.append((even, odd))
    return table
