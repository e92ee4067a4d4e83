"""Checking uploaded claims, each in a worker process with limits of time and memory."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import Any

from wmproof.errors import InputError
from wmproof.publication.web import worker
from wmproof.publication.web.board import Board
from wmproof.publication.web.schemas import ClaimModel
from wmproof.publication.web.settings import Settings
from wmproof.publication.web.uploads import ClaimUpload

_MODULE = "wmproof.publication.web.worker"
_ANSWER_LIMIT = 2**16
# A hostile model finds no secret of the server's there.
_ENVIRONMENT = ("HOME", "LANG", "NUMBA_CACHE_DIR", "PATH", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")


class BusyError(InputError):
    """All workers are at work, or the system has no room for one more."""


class ClaimChecker:
    """Checks claims.

    `board` says where the key is logged.
    """

    def __init__(self, settings: Settings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._places = threading.Semaphore(settings.claims_at_once)
        self._workers: set[subprocess.Popen[bytes]] = set()

    def check(self, upload: ClaimUpload) -> ClaimModel:
        """Check a claim; what does not hold is an answer and no error.

        Raises
        ------
        InputError
            The system cannot limit a check, a part cannot be read, or the check needs more time or
            memory than it may have.
        BusyError
            All workers are at work, or the system has no room.
        """
        if not worker.can_limit():
            raise InputError(
                "this server's system cannot limit what the check of a claim takes",
                remedy="Check the claim yourself with: wmproof pverify",
            )
        if not self._places.acquire(blocking=False):
            raise BusyError("other claims are being checked", remedy="Try again in a minute")
        try:
            given = [getattr(upload, name) for name in worker.PARTS]
            given += [*(file for _, file in upload.weights), *upload.pictures]
            for file in given:
                file.fileno()  # moves a small file from memory to the disk
                file.seek(0)
            answer = self._run(self._job(upload, [file.fileno() for file in given]))
        except OSError:  # no room for a file, no process to be had
            raise BusyError("the server has no room for this", remedy="Try again later") from None
        finally:
            self._places.release()
        if "error" in answer:
            raise InputError(str(answer["error"]))
        logged_at = self._board.index(bytes.fromhex(answer["key_sha256"]))
        return ClaimModel(logged_at=logged_at, **answer)

    def stop(self) -> None:
        """End the checks that are going on."""
        for process in self._workers.copy():
            _kill(process)

    def _job(self, upload: ClaimUpload, files: list[int]) -> worker.Job:
        settings = self._settings
        return worker.Job(
            files=files,
            weights=[name for name, _ in upload.weights],
            pictures=len(upload.pictures),
            reading=asdict(upload.reading),
            memory=settings.claim_bytes,
            seconds=settings.claim_seconds,
            security=settings.policy.security,
            strength=settings.policy.strength,
        )

    def _run(self, job: worker.Job) -> dict[str, Any]:
        settings = self._settings
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            pass_fds=job.files,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            start_new_session=True,
        )
        self._workers.add(process)
        try:
            job_text = json.dumps(asdict(job)).encode()  # a command line has less room for names
            output, _ = process.communicate(job_text, timeout=settings.claim_seconds)
        except subprocess.TimeoutExpired:
            raise InputError(
                f"the check takes longer than {settings.claim_seconds} s",
                remedy="Check the claim yourself with: wmproof pverify",
            ) from None
        finally:
            self._workers.discard(process)
            _kill(process)
            process.wait()
        return _parse(output)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker with all that it may have started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _parse(output: bytes) -> dict[str, Any]:
    """Read a worker's answer; one that was killed or crashed gave none."""
    try:
        answer = json.loads(output[:_ANSWER_LIMIT])
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise InputError(
            "the check ended without an answer: the model needs more memory than it may have, or "
            "is no model",
            remedy="Check the claim yourself with: wmproof pverify",
        )
    return answer
