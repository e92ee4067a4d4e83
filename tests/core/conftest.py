from __future__ import annotations

import onnx
import pytest
from core_support import CHEAP, PASSPHRASE, mlp_onnx, trained_layers
from hypothesis import settings

from wmproof.keygen import pkeygen
from wmproof.keys import save_marking_key, save_published
from wmproof.triggers import abstract

# A busy machine is slow, not wrong.
settings.register_profile("core", deadline=None)
settings.load_profile("core")


@pytest.fixture(scope="session")
def marked(tmp_path_factory):
    """A public key of n = 16, a digits network that carries it and one that does not."""
    folder = tmp_path_factory.mktemp("marked")
    key, public = pkeygen(abstract(64, (8, 8)), 10, security=16)
    save_marking_key(folder / "owner.mk", key, PASSPHRASE, cost=CHEAP)
    save_published(folder / "owner.pvk", public)
    onnx.save(mlp_onnx(trained_layers(key.to_embed()), (8, 8)), folder / "marked.onnx")
    onnx.save(mlp_onnx(trained_layers(seed=2), (8, 8)), folder / "independent.onnx")
    return folder
