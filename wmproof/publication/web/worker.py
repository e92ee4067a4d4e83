"""The process that checks one uploaded claim: `python -m wmproof.publication.web.worker`.

It limits itself before it reads anything of the upload, which may be a hostile model.
"""

from __future__ import annotations

import ctypes
import json
import resource
import signal
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

PARTS = ("model", "key", "claim")
_PR_SET_PDEATHSIG = 1
_FILE_BYTES = 2**26  # the compiler's cache; the upload is only read


def limit_process(memory: int, seconds: int) -> None:
    """Take away what the check does not need: memory, time, core dumps, large files."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))


def die_with_the_server() -> None:
    """Where the system can do that (Linux): a server that is killed leaves no worker at work."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def check(files: Sequence[BinaryIO], minimum_security: int) -> dict[str, Any]:
    """Check a claim, given as `PARTS`; return what `schemas.ClaimModel` needs, or an error."""
    from wmproof.errors import InputError, VerificationError
    from wmproof.keys import parse_public_key
    from wmproof.pverify.claim_file import parse_claim

    try:
        model, encoded, claim = (file.read() for file in files)
        key = parse_public_key(encoded, "the key")
        parse_claim(claim)  # before the verifier is loaded, which takes longer
        result: dict[str, Any] = {"key_sha256": key.digest.hex()}
        from wmproof.pverify.verifier import verify_claim

        report = verify_claim(model, key, claim, minimum_security=minimum_security)
    except VerificationError as error:
        return result | {"holds": False, "check": error.check, "what": error.what}
    except InputError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "the check needs more memory than it may have"}
    said = f"the model hits at least {report.header.threshold} of {report.hidden} hidden triggers"
    shown = ("model_sha256", "hidden", "threshold", "strength_bits", "security_bits", "seconds")
    fields = report.fields()
    return result | {"holds": True, "check": None, "what": said} | {n: fields[n] for n in shown}


def main() -> None:
    """Read open files and limits from the command line, as numbers; print one JSON object."""
    *files, memory, seconds, minimum_security = map(int, sys.argv[1:])
    die_with_the_server()
    limit_process(memory, seconds)
    opened = [open(file, "rb") for file in files]  # noqa: PTH123, SIM115 - descriptors, kept
    print(json.dumps(check(opened, minimum_security), allow_nan=False))


if __name__ == "__main__":
    main()
