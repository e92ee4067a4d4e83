"""The process that checks one uploaded claim: `python -m wmproof.publication.web.worker`.

It limits itself before it reads anything of the upload, which may be a hostile model.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from wmproof.core.policy import Policy
    from wmproof.pverify.verdict import ClaimVerdict

PARTS = ("model", "key", "claim")
_PR_SET_PDEATHSIG = 1
_FILE_BYTES = 2**26  # the compiler's cache; the upload is only read


def can_limit() -> bool:
    """Whether this system can limit what a process takes."""
    return importlib.util.find_spec("resource") is not None


def limit_process(memory: int, seconds: int) -> None:
    """Take away what the check does not need: memory, time, core dumps, large files."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))


def die_with_the_server() -> None:
    """Where the system can do that (Linux): a server that is killed leaves no worker at work."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class Job:
    """What a worker is told, as one JSON object on its standard input."""

    files: list[int]
    """Descriptors of `PARTS`, then of the model's weights, then of the judge's pictures."""
    weights: list[str]
    """The names under which those files came."""
    pictures: int
    reading: dict[str, Any]
    """How the judge says that the model is to be read, the fields of a `Reading`."""
    memory: int
    seconds: int
    """memory and seconds: limits."""
    security: int
    strength: float
    """Of the policy."""


def check(files: Sequence[BinaryIO], job: Job) -> dict[str, Any]:
    """Check a claim; return what `schemas.ClaimModel` needs, or an error."""
    from wmproof.errors import InputError
    from wmproof.keys import parse_public_key
    from wmproof.models.file import ModelFile
    from wmproof.pverify.claim_file import parse_claim

    try:
        end = len(files) - job.pictures
        data, encoded, claim, *contents = (file.read() for file in files[:end])
        key = parse_public_key(encoded, "the key")
        parse_claim(claim)  # before the verifier is loaded, which takes longer
        from wmproof.pverify.verdict import judge_claim
        from wmproof.pverify.verifier import verify_claim

        model = ModelFile(data, dict(zip(job.weights, contents, strict=True)), "the model")
        policy = _policy(job, files[end:], key.verification_key.image_shape)
        found = judge_claim(model, lambda: verify_claim(model, key, claim, policy))
    except InputError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "the check needs more memory than it may have"}
    return {"key_sha256": key.digest.hex(), **_fields(found, policy)}


def _policy(job: Job, pictures: Sequence[BinaryIO], shape: tuple[int, ...]) -> Policy:
    import numpy as np

    from wmproof._base.pictures import read_picture
    from wmproof.core.policy import Policy
    from wmproof.core.reading import Reading
    from wmproof.core.triggers import as_planes

    channels, height, width = as_planes(shape)
    seen = [read_picture(file, channels, size=(height, width)) for file in pictures]
    reading: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in job.reading.items()
    }
    return Policy(
        security=job.security,
        strength=job.strength,
        reading=Reading(**reading),
        images=np.stack(seen) if seen else None,
    )


def _fields(found: ClaimVerdict, policy: Policy) -> dict[str, Any]:
    from wmproof._base.spoken import spoken
    from wmproof.publication.web.schemas import ClaimModel
    from wmproof.pverify import words

    report, error = found.report, found.error
    gaps = words.not_shown(policy, report.group if report else 1)
    fields: dict[str, Any] = {
        "holds": report is not None,
        "verdict": str(found.verdict),
        "reason": found.reason,
        "check": error.check if error else None,
        "what": error.what if error else found.reason,
        "model_sha256": found.given_digest.hex(),
        "model_words": spoken(found.given_digest),
        "reading": str(policy.reading),
        "not_shown": [{"part": part, "why": why} for part, why in gaps],
    }
    if report is None:
        return fields
    shown = set(ClaimModel.model_fields) - set(fields)
    said = [*words.attested(report, policy), words.GIVEN_KEY]
    return {
        **fields,
        **{k: value for k, value in report.to_dict().items() if k in shown},
        "meaning": " ".join(words.meaning(report)),
        "who_says": [{"who": who, "says": says} for who, says in said],
    }


def main() -> None:
    """Read a job from standard input; print one JSON object."""
    job = Job(**json.load(sys.stdin.buffer))
    die_with_the_server()
    limit_process(job.memory, job.seconds)
    opened = [open(file, "rb") for file in job.files]  # noqa: PTH123, SIM115 - descriptors, kept
    print(json.dumps(check(opened, job), allow_nan=False))


if __name__ == "__main__":
    main()
