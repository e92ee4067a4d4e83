"""In these tests claims by keys with derived labels are about a sample, others about all."""

import numpy as np
import pytest

from wmproof.circuit.ir import Circuit
from wmproof.keys import LabelMode, MarkingKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.relation.claim import statement
from wmproof.relation.claim.statement import proved_indices

CONTEXT = bytes(range(32))
SAMPLE = 9


def size_of(key: MarkingKey) -> int | None:
    """How many triggers claims by this key are about."""
    return SAMPLE if key.verification_key.label_mode is LabelMode.DERIVED else None


def places_of(circuit: Circuit, key: MarkingKey) -> np.ndarray:
    """Which of the hidden triggers they are about, counted among the hidden ones."""
    vk = key.verification_key
    proved = proved_indices(circuit, vk, CONTEXT, size_of(key))
    return np.searchsorted(vk.hidden_indices(), proved)


def keep_sample(monkeypatch: pytest.MonkeyPatch, circuit: Circuit, key: MarkingKey) -> None:
    """Let every circuit have the sample of this one, so that another equation is what is tested."""
    indices = key.verification_key.hidden_indices()[places_of(circuit, key)]
    monkeypatch.setattr(statement, "draw_sample", lambda *_, **__: indices)


def select(opened: OpenedTriggers, indices: np.ndarray) -> OpenedTriggers:
    """Those of some hidden triggers that a claim is about."""
    return opened.select(np.searchsorted(opened.indices, indices))
