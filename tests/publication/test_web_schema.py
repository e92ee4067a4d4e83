"""Requests that the API describes, and others: schemathesis, seeded and bounded."""

from dataclasses import replace

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from wmproof.publication.web.app import create_app

BOUNDED = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = {
    "GET /api/v1/log",
    "GET /api/v1/entries",
    "GET /api/v1/keys/{digest}",
    "GET /api/v1/keys/{digest}/proof",
    "GET /api/v1/keys/{digest}/file",
    "GET /api/v1/keys/{digest}/contact-sheet.png",
    "POST /api/v1/claims",
}


@pytest.fixture(scope="module")
def operations(case):
    app = create_app(replace(case.settings, names=("testserver",)))
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.label: operation for operation in found}


def test_nothing_is_left_out(operations):
    assert set(operations) == OPERATIONS


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_the_api_is_as_described(operations, label, mode):
    """No crash; every status, type and body is one that the description has."""
    if label == "GET /api/v1/log" and mode is GenerationMode.NEGATIVE:
        return  # it takes nothing that could be wrong

    # No schema can say which bytes are a model, a key and a claim.
    excluded = [positive_data_acceptance] if label.startswith("POST") else []

    @BOUNDED
    @given(request=operations[label].as_strategy(generation_mode=mode))
    def validate(request):
        request.call_and_validate(excluded_checks=excluded)

    validate()
