"""What tests of refusals share: a changed bit, and which check must find it."""

from contextlib import contextmanager

import pytest

from wmproof.errors import VerificationError


def flip(data, place, bits=1):
    """Change these bits of one byte."""
    changed = bytearray(data)
    changed[place] ^= bits
    return bytes(changed)


@contextmanager
def fails(check, match=None, error=VerificationError):
    """Expect an error of this check."""
    with pytest.raises(error, match=match) as caught:
        yield caught
    assert caught.value.check == check, caught.value
