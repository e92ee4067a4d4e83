"""The prover's hashes of many messages against the library's of each."""

import numpy as np
import pytest
from blake3 import blake3

from wmproof.argument.kernels.blake3 import LANES, keyed_hashes, least_nonce

KEY = bytes(range(32))


def random_words(shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**32, shape, np.uint64).astype(np.uint32)


# A chunk has 256 words: one, one and a word more, trees of two to eleven chunks; 16 lanes.
@pytest.mark.parametrize(
    "words", [1, 7, 8, 15, 16, 17, 240, 248, 249, 504, 505, 512, 760, 1016, 1017, 1272, 1700, 2700]
)
@pytest.mark.parametrize("count", [1, LANES, LANES + 3])
def test_hashes_are_the_librarys(words: int, count: int) -> None:
    for tail in (0, 8):
        body, end = random_words((count, words), words), random_words((count, tail), 5)
        found = keyed_hashes(body, end, KEY)
        for row, own in enumerate(found):
            message = body[row].tobytes() + end[row].tobytes()
            assert own.tobytes() == blake3(message, key=KEY).digest()


@pytest.mark.parametrize("threads", ["1", "2", "7"])
def test_threads_do_not_change_hashes(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, end = random_words((1000, 300), 1), random_words((1000, 8), 2)
    one = keyed_hashes(body[:5], end[:5], KEY)
    monkeypatch.setenv("WMPROOF_THREADS", threads)
    many = keyed_hashes(body, end, KEY)
    np.testing.assert_array_equal(one, many[:5])
    last = body[-1].tobytes() + end[-1].tobytes()
    assert many[-1].tobytes() == blake3(last, key=KEY).digest()


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("bits", [0, 1, 5, 10, 15])
@pytest.mark.parametrize("state", [bytes(32), bytes(range(100, 132))])
def test_the_least_nonce_is_found(
    threads: str, bits: int, state: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends_in_zeros(nonce: int) -> bool:
        digest = blake3(state + nonce.to_bytes(8, "little"), key=KEY).digest(length=8)
        return int.from_bytes(digest, "little") % (1 << bits) == 0

    monkeypatch.setenv("WMPROOF_THREADS", threads)
    assert least_nonce(state, KEY, bits) == next(n for n in range(10**6) if ends_in_zeros(n))
