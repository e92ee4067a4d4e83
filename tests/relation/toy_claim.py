"""The smallest claims: two hidden triggers of two pixels, one activation, one maximum."""

import numpy as np

from wmproof.circuit.evaluate import classify
from wmproof.circuit.ir import Activation, Circuit, Conv, Input, Linear, Maximum
from wmproof.circuit.tables import clamp_table
from wmproof.commitment import Scheme
from wmproof.keys import LabelMode, MarkingKey
from wmproof.keys.keygen import pkeygen

SHAPE, HIDDEN = (1, 1, 2), 2


def toy_circuit() -> Circuit:
    """Two pixels, one channel: y = clamp((x - 64) / 2), r = max(x, y), logits r0 and r1."""
    one = np.ones((1, 1, 1, 1), np.int32)
    shifted = Linear(np.full((1, 1, 1), -64, np.int32), (Conv(0, one, (1, 1)),))
    pick = np.eye(2, dtype=np.int32).reshape(2, 1, 1, 2)
    output = Linear(np.zeros((2, 1, 1), np.int32), (Conv(2, pick, (1, 2)),))
    nodes = (Input("image", SHAPE), Activation("half", 0, shifted), Maximum("larger", 0, 1))
    return Circuit(nodes, (clamp_table(9, 1),), output)


def distinct(count: int) -> np.ndarray:
    """Pictures of two pixels, no two of which are equal, as keys demand."""
    numbers = np.random.default_rng().permutation(1 << 16)[:count]
    return np.stack([numbers >> 8, numbers & 255], axis=1).reshape(count, *SHAPE).astype(np.uint8)


def toy_key(
    circuit: Circuit, mode: LabelMode, scheme: Scheme = Scheme.SHA256_SIS, hides: int = HIDDEN
) -> MarkingKey:
    """A key that hides so many triggers, of four, all of which the circuit hits."""
    while True:
        key, _ = pkeygen(distinct(4), 2, security=1, label_mode=mode, scheme=scheme)
        hidden = key.to_embed()
        if len(hidden) == hides and (classify(circuit, hidden.images) == hidden.labels).all():
            return key
