"""Products and inner products in F_p and K, on one thread, against NumPy on integers."""

import os

import numpy as np

from benchmarks._harness import first_seconds, report, seconds
from wmproof.argument.algebra.field import P, random_elements, to_montgomery
from wmproof.argument.kernels import extension

SIZE = 1 << 20
TILE = extension.TILE


def numpy_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product in K as NumPy would do it: 64-bit products, one remainder each."""
    p = np.uint64(P)
    out = [np.zeros(a.shape[1], np.uint64) for _ in range(4)]
    for i in range(4):
        for j in range(4):
            term = a[i] * b[j] % p
            out[(i + j) % 4] += term * np.uint64(3) if i + j > 3 else term
    return np.array(out) % p


def main() -> None:
    """Measure and print."""
    os.environ["WMPROOF_THREADS"] = "1"
    a, b = random_elements((4, SIZE)), random_elements((4, SIZE))
    tile_a, tile_b = np.ascontiguousarray(a[:, :TILE]), np.ascontiguousarray(b[:, :TILE])
    out = np.empty((4, TILE), np.uint32)
    scalar = a[:, 0].copy()
    wide_a, wide_b = a.astype(np.uint64), b.astype(np.uint64)
    cold = first_seconds(lambda: extension.v_mul(tile_a, 0, tile_b, 0, out, 0, TILE))
    rounds = range(SIZE // TILE)
    runs = {
        "base_product": lambda: to_montgomery(a[0]),
        "product_in_cache": lambda: [
            extension.v_mul(tile_a, 0, tile_b, 0, out, 0, TILE) for _ in rounds
        ],
        "fold_in_cache": lambda: [
            extension.v_fold(tile_a, 0, 0, scalar, out, 0, TILE) for _ in rounds
        ],
        "inner_product": lambda: extension.inner_product(a, b),
    }
    baseline = {
        "base_product": seconds(lambda: wide_a[0] * wide_b[0] % np.uint64(P)),
        "product_in_cache": seconds(lambda: numpy_product(wide_a, wide_b), 2),
    }
    figures: dict[str, dict[str, float]] = {"first_call": {"seconds": cold}}
    for name, run in runs.items():
        time = seconds(run)
        figures[name] = {"nanoseconds": time / SIZE * 1e9}
        if name in baseline:
            figures[name]["numpy_nanoseconds"] = baseline[name] / SIZE * 1e9
            figures[name]["times_faster"] = baseline[name] / time
    report("field", figures)


if __name__ == "__main__":
    main()
