"""The process that checks one uploaded claim: `python -m wmproof.publication.web.worker`.

It limits itself before it reads anything of the upload, which may be a hostile model.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

MODEL, KEY, CLAIM = "model", "key", "claim"
_FILE_BYTES = 2**26  # the compiler's cache; the upload is only read


def limit_process(memory: int, seconds: int) -> None:
    """Take away what the check does not need: memory, time, core dumps, large files."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))


def check(folder: Path, minimum_security: int) -> dict[str, Any]:
    """Check the claim in a folder; return what `schemas.ClaimModel` needs, or an error."""
    from wmproof.errors import InputError, VerificationError
    from wmproof.keys import parse_public_key
    from wmproof.pverify.claim_file import parse_claim

    try:
        key = parse_public_key((folder / KEY).read_bytes(), "the key")
        claim = (folder / CLAIM).read_bytes()
        parse_claim(claim)  # before the verifier is loaded, which takes longer
        model = (folder / MODEL).read_bytes()
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
    """Read the folder and the limits from the command line; print one JSON object."""
    folder, memory, seconds, minimum_security = sys.argv[1:]
    limit_process(int(memory), int(seconds))
    print(json.dumps(check(Path(folder), int(minimum_security)), allow_nan=False))


if __name__ == "__main__":
    main()
