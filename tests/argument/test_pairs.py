"""Products of bytes and many weights, against integers; with and without their instructions."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from wmproof.argument.algebra.field import P, random_elements
from wmproof.argument.kernels import pairs as pairs_module
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.pairs import pairs_of, products
from wmproof.argument.kernels.simd import LANES


@pytest.mark.parametrize("top", [2**8 - 1, 2**9 - 1, 2**9, 2**32])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize(("rows", "size", "count"), [(1, 1, 1), (17, 131, 5), (33, 300, 127)])
def test_products(dtype: type, top: int, rows: int, size: int, count: int) -> None:
    largest = min(P - 1, top, int(np.iinfo(dtype).max))
    block = np.random.default_rng(0).integers(0, largest + 1, (rows, size)).astype(dtype)
    weights = random_elements((count, size))
    block[rows // 2], weights[0] = largest, P // 2
    block[:, size // 2 :] = largest
    for i, weight in enumerate((P // 2 + 1, 0x7FFF, 0x8000, P - 1)[: count - 1]):
        weights[1 + i] = weight
    expected = block.astype(object) @ weights.T.astype(object) % P
    assert products(block, pairs_of(weights), count, largest).tolist() == expected.tolist()
    assert products(block, pairs_of(weights), count, P - 1).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("dtype", "largest", "passes"),
    [
        (np.uint8, 255, 1),
        (np.uint16, 511, 1),
        (np.uint16, 512, 2),
        (np.uint32, 511, 1),
        (np.uint32, P - 1, 4),
    ],
)
def test_the_work_does_not_tell_the_numbers(
    dtype: type, largest: int, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are a witness: zeros take as many passes as the largest numbers."""
    made, multiply = [], pairs_module._multiply

    def counted(rows: Any, pairs: Any, sums: Any) -> None:
        made.append((rows.dtype, rows.shape, sums.shape))
        multiply(rows, pairs, sums)

    monkeypatch.setattr(pairs_module, "_multiply", counted)
    pairs = pairs_of(random_elements((3, 40)))
    for value in (0, min(largest, 300), largest):
        made.clear()
        products(np.full((20, 40), value, dtype), pairs, 3, largest)
        assert len(made) == passes
        assert made == made[:1] * passes


@pytest.mark.parametrize("allowed", ["+avx512vnni,+avx512bw", "+avx512bw", ""])
def test_pairs_are_signed(allowed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adder_of = simd._adder_of_pairs

    def adder(features: str):  # type: ignore[no-untyped-def]
        own = [name for name in allowed.split(",") if name in features]
        return adder_of(",".join(own))

    monkeypatch.setattr(simd, "_adder_of_pairs", adder)

    @njit
    def multiply(a, words, out):  # type: ignore[no-untyped-def]
        none = simd.vector()
        sums = simd.add_pairs((none, none), simd.load_rows(a, (0, 0), 2), words, (0, 0))
        simd.store_rows(out, (0, 0), sums)

    halves = np.random.default_rng(1).integers(-(2**15), 2**15, (2, 2, LANES)).astype(np.int16)
    halves[:, :, 0], halves[:, :, 1] = -(2**15) + 1, 2**15 - 1
    words = np.array([[3, -4], [-(2**15) + 1, 2**15 - 1]], np.int16)
    low = words.view(np.uint16).astype(np.uint32)
    packed = halves.view(np.uint16).astype(np.uint32)
    out = np.zeros((2, LANES), np.uint32)
    multiply(packed[:, 0] | packed[:, 1] << 16, low | (low[::-1, ::-1] << 16), out)
    wide = halves.astype(np.int64)
    factors = words.astype(np.int64), words[::-1, ::-1].astype(np.int64)
    for column in range(2):
        sums = sum(
            wide[k, 0] * factors[0][k, column] + wide[k, 1] * factors[1][k, column]
            for k in range(2)
        )
        assert out[column].tolist() == (sums % 2**32).tolist()
