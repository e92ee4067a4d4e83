"""First-ever compilation of all kernels, the cached second run, and a warm import; prints JSON."""

import os
import resource
import subprocess
import sys
import tempfile
import time

from benchmarks._harness import report

PROVE_AND_VERIFY = """
import sys
sys.path.insert(0, "tests/argument")
import numpy as np
from lookup_statement import LookupProof, LookupStatement
from wmproof.argument.system.prover import prove
from wmproof.argument.system.verifier import verify_proof
sizes = (1 << 12, 6, 6)
statement = LookupProof(*sizes).with_rows(np.arange(1 << 12) % 64)
verify_proof(LookupStatement(*sizes), prove(statement, statement.witness()))
"""
IMPORT = "import wmproof.argument.system.verifier"


def run_seconds(code: str, cache: str) -> tuple[float, float]:
    """Wall-clock and CPU time of a whole Python process."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": "."}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        first = run_seconds(PROVE_AND_VERIFY, cache)
        second = min(run_seconds(PROVE_AND_VERIFY, cache) for _ in range(3))
        warm_import = min(run_seconds(IMPORT, cache) for _ in range(3))
    report(
        "cold_start",
        {
            "first_run_seconds": first[0],
            "first_run_cpu_seconds": first[1],
            "second_run_seconds": second[0],
            "warm_import_seconds": warm_import[0],
            "warm_import_cpu_seconds": warm_import[1],
            "ratio_first_to_second": first[0] / second[0],
        },
    )


if __name__ == "__main__":
    main()
