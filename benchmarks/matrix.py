"""Commitment to a matrix of bytes and all that is computed from it, against memory bandwidth."""

import random
import sys

import numpy as np

from benchmarks._harness import copy_seconds, first_seconds, peak_megabytes, report, seconds
from wmproof.argument.algebra.field import random_elements
from wmproof.argument.pcs.ligero.matrix import MessageMatrix
from wmproof.argument.pcs.ligero.reed_solomon import Code

TAIL = 150


def warm() -> float:
    """Compile or load every kernel; return how long it took."""
    code = Code(4, 3)
    block = np.zeros((5, 16), np.uint8)
    matrix = MessageMatrix([block], random_elements((5, 3)), code)

    def run() -> None:
        matrix.commit()
        matrix.combine_rows(random_elements((4, 5)))
        matrix.project_columns(random_elements((4, 16)))

    return first_seconds(run)


def main() -> None:
    """Measure and print; arguments are the logarithms of elements and of a row's length."""
    size_bits = int(sys.argv[1]) if len(sys.argv) > 1 else 26
    message_bits = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    figures: dict[str, dict[str, float]] = {"first_call": {"seconds": warm()}}
    rows, code = 1 << (size_bits - message_bits), Code(message_bits, TAIL)
    block = np.random.default_rng(0).integers(0, 256, (rows, 1 << message_bits), np.uint8)
    matrix = MessageMatrix([block], random_elements((rows, TAIL)), code)
    committed = []
    commit = first_seconds(lambda: committed.append(matrix.commit()))
    codeword_bytes = 4 * rows * code.length
    figures["commit"] = {
        "elements": block.size,
        "seconds": commit,
        "elements_per_second": block.size / commit,
        "peak_megabytes": peak_megabytes(),
        "codeword_bytes": codeword_bytes,
    }
    c, w = random_elements((4, rows)), random_elements((4, 1 << message_bits))
    combine = seconds(lambda: matrix.combine_rows(c))
    project = seconds(lambda: matrix.project_columns(w))
    positions = sorted(random.Random(0).sample(range(code.length), TAIL))
    opening = seconds(lambda: committed[0].open_columns(positions))
    copying = copy_seconds(block.nbytes)
    ratio = commit * block.nbytes / (codeword_bytes * copying)
    figures["commit"]["ratio_to_copying_the_codewords"] = ratio
    figures["copy_the_messages"] = {"seconds": copying}
    for name, time in (("combine_rows", combine), ("project_columns", project)):
        figures[name] = {
            "seconds": time,
            "elements_per_second": block.size / time,
            "ratio_to_copying_the_messages": time / copying,
        }
    figures["open_columns"] = {"seconds": opening, "columns": TAIL}
    report("matrix", figures)


if __name__ == "__main__":
    main()
