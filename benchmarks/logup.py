"""The lookup argument with all its sumchecks, with and without pads; prints JSON.

`python -m benchmarks.logup [log2 of lookups] [log2 of the table]`
"""

import statistics
import sys

import numpy as np

from benchmarks._harness import copy_seconds, report, seconds
from wmproof.argument.channel import VerifierChannel
from wmproof.argument.logup.prover import count_multiplicities, prove
from wmproof.argument.logup.statement import ArrayTable, Lookup
from wmproof.argument.logup.verifier import verify
from wmproof.argument.pcs.ligero.pad_prover import draw_pads
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.transcript import fiat_shamir_prover, fiat_shamir_verifier


def main(bits: int = 24, table_bits: int = 20) -> None:
    z = np.arange(1 << table_bits, dtype=np.uint32)
    table = ArrayTable(np.stack([z, (z >> 10) & 255]))
    lookup = Lookup("relu", table, [1 << bits])
    rows = np.random.default_rng(1).integers(0, 1 << table_bits, 1 << bits)
    groups = [np.ascontiguousarray(table.columns()[:, rows])]
    multiplicities = count_multiplicities([rows], table_bits)
    pads = draw_pads(10_000)

    def run(hidden: bool) -> bytes:
        transcript, buffer = fiat_shamir_prover("benchmark")
        channel = ProverChannel(transcript, pads if hidden else None)
        prove(channel, lookup, groups, multiplicities)
        return buffer.getvalue()

    # In turn, so that both see the same machine.
    pairs = [(seconds(lambda: run(False), 1), seconds(lambda: run(True), 1)) for _ in range(4)]
    plain, padded = min(a for a, _ in pairs), min(b for _, b in pairs)
    proof = run(False)

    def check() -> None:
        verify(VerifierChannel(fiat_shamir_verifier("benchmark", proof), hiding=False), lookup)

    report(
        "logup",
        {
            "lookups": 1 << bits,
            "table_rows": 1 << table_bits,
            "prove_seconds": plain,
            "nanoseconds_a_lookup": plain / (1 << bits) * 1e9,
            "prove_seconds_with_pads": padded,
            "pads_overhead_median": statistics.median(b / a for a, b in pairs) - 1,
            "verify_seconds": seconds(check),
            "proof_bytes": len(proof),
            "ratio_to_copying_16_bytes_a_lookup": plain / copy_seconds(16 << bits),
        },
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
