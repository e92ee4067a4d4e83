"""The model that `verify` asks: a file, an endpoint, or the record of an endpoint."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wmproof._base.files import SECRET_MODE, check_target, write_file
from wmproof.cli.options import FILE, Number, Option, gathered, read_signing_key, signing_option
from wmproof.cli.output import warn
from wmproof.cli.reading_options import READING, make_reading
from wmproof.core.reading import Reading
from wmproof.keys import VerificationKey, load_signer
from wmproof.models import Classifier, open_model

TOKEN_VARIABLE = "WMPROOF_ENDPOINT_TOKEN"  # noqa: S105 - the name of it


@dataclass(frozen=True)
class Source:
    """Where the answers come from, as the options say."""

    model: Path | None
    endpoint: str | None
    model_name: str | None
    model_version: str | None
    transcript: Path | None
    replay: Path | None
    recorded_by: str | None
    requests_per_second: float
    images_per_request: int
    show_triggers: bool
    sign_with: Path | None
    force: bool
    reading: Reading


ENDPOINT: dict[str, Option] = {
    "endpoint": click.option(
        "--endpoint", metavar="URL", help="Ask a server of the Open Inference Protocol."
    ),
    "model_name": click.option("--model-name", metavar="NAME", help="The model at the endpoint."),
    "model_version": click.option(
        "--model-version", metavar="VERSION", help="Its version, if it matters."
    ),
    "requests_per_second": click.option(
        "--requests-per-second",
        type=Number(0, min_open=True),
        default=2.0,
        metavar="RATE",
        help="The most that an endpoint is asked.",
    ),
    "images_per_request": click.option(
        "--images-per-request",
        type=click.IntRange(1),
        default=16,
        metavar="N",
        help="Where the model leaves it open.",
    ),
    "show_triggers": click.option(
        "--show-triggers",
        is_flag=True,
        help="With --key: show the secret triggers to whoever runs the endpoint.",
    ),
}
"""What says which endpoint is asked, and how."""

_OPTIONS = (
    signing_option,
    click.argument("model", type=FILE, metavar="[MODEL.onnx]", required=False),
    *list(ENDPOINT.values())[:3],
    click.option(
        "--transcript",
        type=FILE,
        metavar="FILE",
        help="Record all queries here, signed by --sign-with.",
    ),
    click.option(
        "--replay",
        type=FILE,
        metavar="FILE",
        help="Take the answers from such a record, and ask nobody.",
    ),
    click.option("--recorded-by", metavar="KEY", help="Who must have signed the record."),
    *list(ENDPOINT.values())[3:],
    click.option("--force", is_flag=True, help="Replace a transcript that exists."),
    *READING.values(),
)


def _take_source(given: dict[str, Any]) -> Source:
    given["reading"] = make_reading(given)
    return Source(**{name: given.pop(name) for name in Source.__dataclass_fields__})


suspect_options = gathered("source", _OPTIONS, _take_source)


@dataclass(frozen=True)
class Suspect:
    """A model and how a report names it."""

    classifier: Classifier
    fields: dict[str, str | None]


def check_source(source: Source, *, private: bool) -> None:
    """Refuse combinations that make no sense, and secret triggers for an endpoint.

    click.UsageError before anything is asked, opened or spent.
    """
    if sum(item is not None for item in (source.model, source.endpoint, source.replay)) != 1:
        raise click.UsageError("give one of MODEL.onnx, --endpoint and --replay")
    if (source.endpoint is None) != (source.model_name is None):
        raise click.UsageError("--endpoint and --model-name go together")
    if source.endpoint is None and (source.transcript or source.model_version):
        raise click.UsageError("--transcript and --model-version go with --endpoint")
    if (source.transcript is None) != (source.sign_with is None):
        raise click.UsageError("--transcript and --sign-with go together")
    if source.recorded_by and source.replay is None:
        raise click.UsageError("--recorded-by goes with --replay")
    if source.endpoint is not None and private:
        warn_of_private_queries(allowed=source.show_triggers)


def warn_of_private_queries(*, allowed: bool) -> None:
    """Say what asking an endpoint about secret triggers costs.

    click.UsageError if nobody allowed it.
    """
    what = (
        "private verification shows every embedded trigger to whoever runs the endpoint, who can "
        "train the mark away or block the pictures"
    )
    if not allowed:
        raise click.UsageError(
            f"{what}. Spend a revealed batch of a bounded key instead (--opening), or say "
            "--show-triggers if you mean it"
        )
    warn(f"warning: {what}")


@contextlib.contextmanager
def open_suspect(source: Source, key: VerificationKey, *, private: bool) -> Iterator[Suspect]:
    """Open the model; what an endpoint was asked is written down even if it fails to answer."""
    if source.endpoint is not None:
        with _asked(source, key, private=private) as suspect:
            yield suspect
    elif source.replay is not None:
        yield _replayed(source, key)
    else:
        model = open_model(source.model or "", input_shape=key.image_shape, reading=source.reading)
        yield Suspect(model, {"model_sha256": model.digest.hex(), **_reading_fields(source)})


def _replayed(source: Source, key: VerificationKey) -> Suspect:
    from wmproof.models.open_inference import TranscriptClassifier, load_transcript

    transcript = load_transcript(source.replay or "")
    signer = load_signer(source.recorded_by) if source.recorded_by else None
    classifier = TranscriptClassifier(transcript, key, signer=signer, reading=source.reading)
    recorder = transcript.signature.signer.hex() if transcript.signature else None
    fields = _endpoint_fields(
        transcript.endpoint, transcript.model_name, transcript.model_version or None
    )
    return Suspect(
        classifier,
        {
            **fields,
            **_reading_fields(source),
            "transcript_sha256": transcript.digest.hex(),
            "recorded_by": recorder,
        },
    )


@contextlib.contextmanager
def _asked(source: Source, key: VerificationKey, *, private: bool) -> Iterator[Suspect]:
    from wmproof.models.open_inference import (
        Attempt,
        Limits,
        OpenInferenceClassifier,
        QueryTranscript,
    )

    endpoint, name, version = source.endpoint or "", source.model_name or "", source.model_version
    seed = read_signing_key(source.sign_with)
    if source.transcript is not None:
        check_target(source.transcript, overwrite=source.force)
    attempts: list[Attempt] = []
    try:
        classifier = OpenInferenceClassifier(
            endpoint,
            name,
            version,
            input_shape=key.image_shape,
            batch=source.images_per_request,
            limits=Limits(requests_per_second=source.requests_per_second),
            token=os.environ.get(TOKEN_VARIABLE) or None,
            reading=source.reading,
            record=attempts.append,
        )
        fields = _endpoint_fields(endpoint, name, version)
        yield Suspect(classifier, fields | _reading_fields(source))
    finally:
        if source.transcript is not None and seed is not None and attempts:
            record = QueryTranscript(endpoint, name, version or "", key.digest, attempts)
            mode = {"mode": SECRET_MODE} if private else {}
            write_file(
                source.transcript, record.signed(seed).to_bytes(), overwrite=source.force, **mode
            )


def _endpoint_fields(endpoint: str, name: str, version: str | None) -> dict[str, str | None]:
    return {"endpoint": endpoint, "model_name": name, "model_version": version}


def _reading_fields(source: Source) -> dict[str, str | None]:
    return {"pixels": source.reading.pixels, "reading": str(source.reading)}
