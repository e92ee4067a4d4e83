"""Transforms of sixteen polynomials and the encoder, on one thread, beside NumPy's complex FFT."""

import os
import sys

import numpy as np

from benchmarks._harness import first_seconds, report, seconds
from wmproof.argument.algebra.field import random_elements
from wmproof.argument.algebra.ntt import merge_constants, split_constants
from wmproof.argument.kernels import ntt
from wmproof.argument.pcs.ligero.encoder import Encoder
from wmproof.argument.pcs.ligero.reed_solomon import Code


def transform(bits: int) -> dict[str, float]:
    """Both directions at one size, beside complex FFTs of as many numbers."""
    size = 1 << bits
    data = random_elements(size * ntt.LANES)
    split, merge = split_constants(size, 3), merge_constants(size)
    butterflies = size * ntt.LANES * bits / 2
    rows = np.random.default_rng(0).standard_normal((ntt.LANES, size)).astype(complex)
    forward = seconds(lambda: ntt.forward(data, split, 1))
    inverse = seconds(lambda: ntt.inverse(data, merge))
    complex_fft = seconds(lambda: np.fft.fft(rows))
    return {
        "forward_seconds": forward,
        "inverse_seconds": inverse,
        "forward_butterflies_per_second": butterflies / forward,
        "inverse_butterflies_per_second": butterflies / inverse,
        "numpy_complex_fft_seconds": complex_fft,
        "forward_to_complex_fft": forward / complex_fft,
    }


def encoder(message_bits: int, tail: int) -> dict[str, float]:
    """Codewords of sixteen rows of bytes."""
    code = Code(message_bits, tail)
    rows = np.random.default_rng(1).integers(0, 256, (16, 1 << message_bits), np.uint8)
    tails = random_elements((16, tail))
    time = seconds(lambda: Encoder(code).encode(rows, tails))
    return {"seconds": time, "message_values_per_second": rows.size / time}


def main() -> None:
    """Measure and print; an argument is the largest size's logarithm."""
    os.environ["WMPROOF_THREADS"] = "1"
    top = int(sys.argv[1]) if len(sys.argv) > 1 else 17
    small = Code(4, 3)
    rows = np.zeros((1, 16), np.uint8)
    cold = first_seconds(lambda: Encoder(small).encode(rows, np.zeros((1, 3), np.uint32)))
    figures: dict[str, dict[str, float]] = {"first_call": {"seconds": cold}}
    for bits in range(9, top + 1, 2):
        figures[f"size_2^{bits}"] = transform(bits)
    figures[f"encode_2^{top - 2}"] = encoder(top - 2, 128)
    report("ntt", figures)


if __name__ == "__main__":
    main()
