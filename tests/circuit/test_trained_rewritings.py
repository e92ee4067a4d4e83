"""A trained, marked network, rewritten at random, is the same network; others by their command."""

from __future__ import annotations

import numpy as np
import torch
from same_keys import same_keys
from trained_rewritings import Marked


def test_no_answer_to_a_trigger_changes() -> None:
    torch.set_num_threads(1)
    with same_keys():
        marked = Marked.train("mlp")
    changed, agreement, floats = marked.compare(4)
    assert floats >= 0.998  # the rewritings are what they say
    assert changed == 0
    assert np.mean(agreement) >= 0.995
