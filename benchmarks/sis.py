"""What it costs to break the two-layer commitment: the usual estimate, recomputed.

`python -m benchmarks.sis [ROWS ...]`

Binding: x with A x = 0 mod p, x not zero, |x_i| <= 255. The attacker uses any w columns, whose
lattice of such x has dimension w and volume p^n. Two figures, both in the core-SVP model, where BKZ
with blocks of b costs 2^(0.292 b), or 2^(0.265 b) with a quantum computer:

- *euclidean*, the one that is relied on: x is no longer than 255 sqrt(w), and the attacker is done
  when he has any vector as short as that, whatever its entries are. BKZ finds one of length
  delta^w p^(n / w). Real attacks have to do more.
- *infinity*: the entries have to be short. The basis has the shape that the geometric series
  assumption predicts (log lengths: p's, a line, zeros), and a sieve in the first block gives
  2^(0.2075 b) vectors as long as its first one: coordinates in front of the line are uniform modulo
  p, those on it Gaussian. Source: CRYSTALS-Dilithium (round 3, appendix C.3).

Hiding: the leftover hash lemma. Where `estimator` (the lattice estimator of Albrecht et al.) is
installed, its figure is printed beside.
"""

import math
import sys
from typing import Any

from benchmarks._harness import report
from wmproof.commitment.matrix import ROWS, P

BOUND = 255
CLASSICAL, QUANTUM, SIEVED = 0.292, 0.265, 0.2075


def log_delta(block: int) -> float:
    """Ln of the root Hermite factor of BKZ with this block size."""
    b = float(block)
    return math.log((math.pi * b) ** (1 / b) * b / (2 * math.pi * math.e)) / (2 * (b - 1))


def shape(rows: int, width: int, block: int) -> tuple[int, int, float]:
    """Where the line starts and ends, and ln of the length at its start.

    The lattice has dimension `width` and ln volume rows * ln p: a line of the assumed slope
    from ln p down to 0 that keeps the volume, or one that starts lower where the basis is short.
    """
    slope, log_p = 2 * log_delta(block), math.log(P)
    steps = int(log_p / slope)
    # A full line from ln p to 0 has half its area on each side of the middle.
    first = rows - steps // 2
    if first >= 0 and first + steps <= width:
        return first, first + steps, log_p
    # All of it is one line: mean ln length is rows ln p / width.
    top = rows * log_p / width + slope * (width - 1) / 2
    if top <= log_p:
        return 0, width, top
    # It starts with p's, and ends before it would reach 0.
    for first in range(width):
        line = width - first
        volume = first * log_p + line * log_p - slope * line * (line - 1) / 2
        if volume <= rows * log_p:
            return first, width, log_p
    return width, width, log_p


def tries(rows: int, width: int, block: int) -> float:
    """log2 of 1 / the chance that one vector of the sieve is short in every coordinate."""
    first, stop, log_length = shape(rows, width, block)
    on_line = stop - first
    sigma = math.exp(log_length) / math.sqrt(on_line)
    short = math.erf(BOUND / (math.sqrt(2) * sigma))
    if short == 0.0:
        return math.inf
    return -on_line * math.log2(short) - first * math.log2((2 * BOUND + 1) / P)


def cost(rows: int, width: int, block: int, exponent: float) -> float:
    """log2 of the operations with this width and block size."""
    return exponent * block + max(0.0, tries(rows, width, block) - SIEVED * block)


def best(rows: int, exponent: float) -> tuple[float, int, int]:
    """The attacker's best: log2 of the cost, block size, number of columns."""
    widths = range(rows + 32, 6 * rows, 16)
    coarse = min(
        (cost(rows, width, block, exponent), block, width)
        for width in widths
        for block in range(200, 1200, 10)
    )
    _, block, width = coarse
    return min(
        (cost(rows, w, b, exponent), b, w)
        for w in range(max(rows + 1, width - 16), width + 17, 2)
        for b in range(block - 10, block + 11)
    )


def euclidean_block(rows: int) -> tuple[int, int]:
    """Least block size with a vector no longer than 255 sqrt(w) for some w, and that w."""
    for block in range(100, 2000):
        for width in range(rows + 1, 12 * rows):
            length = width * log_delta(block) + rows * math.log(P) / width
            if length <= math.log(BOUND) + math.log(width) / 2:
                return block, width
    raise ValueError("no block size is large enough")


def hiding_bits(rows: int) -> float:
    """-log2 of the distance of v from uniform, on average over A."""
    randomness = 8 * -(-(31 * rows + 256) // 8)
    return 1 + (randomness - rows * math.log2(P)) / 2


def estimator_bits(rows: int) -> float | str:
    """The public lattice estimator's figure, or why there is none."""
    try:
        from estimator import SIS  # type: ignore[import-not-found]
    except ImportError:
        return "not installed"
    import numpy as np

    parameters = SIS.Parameters(n=rows, q=P, length_bound=BOUND, m=8 * rows, norm=np.inf)
    return float(math.log2(min(found["rop"] for found in SIS.estimate(parameters).values())))


def estimate(rows: int) -> dict[str, Any]:
    """All figures for a number of rows."""
    block, width = euclidean_block(rows)
    infinity, infinity_block, _ = best(rows, CLASSICAL)
    quantum, _, _ = best(rows, QUANTUM)
    return {
        "rows": rows,
        "euclidean_block_size": block,
        "euclidean_columns": width,
        "euclidean_bits_classical": round(CLASSICAL * block, 1),
        "euclidean_bits_quantum": round(QUANTUM * block, 1),
        "infinity_block_size": infinity_block,
        "infinity_bits_classical": round(infinity, 1),
        "infinity_bits_quantum": round(quantum, 1),
        "hiding_bits": round(hiding_bits(rows), 1),
        "lattice_estimator_bits": estimator_bits(rows),
    }


if __name__ == "__main__":
    for text in sys.argv[1:] or [str(ROWS)]:
        report("sis", estimate(int(text)))
