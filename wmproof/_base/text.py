"""Text from outside as people may see it: names in foreign files are hostile.

A name can hold what a terminal obeys, what turns the order of letters round, what cannot be seen,
line ends and runs of spaces that make it look like a line of our own, marks piled up over its
neighbours, and a million letters that push an answer out of sight. All exits to people go through
`one_line`: terminal, report and web pages. JSON needs none of it, since it escapes.
"""

import re
import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONGEST = 2000
_MOST_MARKS = 3
# Printable by Python's rule and yet invisible: default ignorables, and the blanks of a few scripts.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
_SPACES = re.compile("(?<= ) +")
# Isolates, so that digits and words of ours beside a name keep their order.
_FIRST, _LAST = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"


def one_line(text: str, most: int = LONGEST) -> str:
    """Return text as one line that shows what it holds and does nothing.

    What is not printable, or is invisible, becomes U+FFFD, and so does every space after the first
    and every mark after the third on one letter. Names from right to left stand alone. The middle
    of a text of more than `most` characters is left out, and their number is said.
    """
    seen = "".join(c if c.isprintable() else REPLACEMENT for c in _shortened(text, most))
    seen = _INVISIBLE.sub(REPLACEMENT, seen)
    seen = _SPACES.sub(lambda found: REPLACEMENT * len(found[0]), seen)
    if seen.isascii():
        return seen
    return _alone(_few_marks(seen))


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = most * 2 // 3
    tail = most - head
    left_out = len(text) - head - tail
    return f"{text[:head]} ({left_out} characters are left out) {text[-tail:]}"


def _few_marks(text: str) -> str:
    marks, kept = 0, []
    for c in text:
        marks = marks + 1 if unicodedata.category(c).startswith("M") else 0
        kept.append(c if marks <= _MOST_MARKS else REPLACEMENT)
    return "".join(kept)


def _alone(text: str) -> str:
    """Put each run of words from right to left into an isolate."""
    parts, run = [], ""
    for word in re.split("( )", text):
        leftward = any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in word)
        if leftward or (run and word == " "):
            run += word
        else:
            parts += [_isolated(run), word]
            run = ""
    return "".join([*parts, _isolated(run)])


def _isolated(run: str) -> str:
    bare = run.rstrip(" ")
    return f"{_FIRST}{bare}{_LAST}{run[len(bare) :]}" if bare else run
