"""Models behind an HTTP endpoint that speaks the Open Inference Protocol (KServe v2)."""

from wmproof.models.open_inference.classifier import OpenInferenceClassifier
from wmproof.models.open_inference.replay import TranscriptClassifier
from wmproof.models.open_inference.transcript import (
    Attempt,
    AttemptKind,
    QueryTranscript,
    load_transcript,
    parse_transcript,
)
from wmproof.models.open_inference.transport import Limits

__all__ = [
    "Attempt",
    "AttemptKind",
    "Limits",
    "OpenInferenceClassifier",
    "QueryTranscript",
    "TranscriptClassifier",
    "load_transcript",
    "parse_transcript",
]
