import onnx
import pytest
from core_support import CHEAP, PASSPHRASE, mlp_onnx, trained_layers
from same_keys import same_keys

from wmproof.core.triggers import abstract
from wmproof.keys import save_marking_key, save_published
from wmproof.keys.keygen import pkeygen


@pytest.fixture(scope="session")
def marked(tmp_path_factory):
    """A public key of n = 16, a digits network that carries it and one that does not."""
    folder = tmp_path_factory.mktemp("marked")
    with same_keys():
        key, public = pkeygen(abstract(64, (8, 8)), 10, security=16)
    save_marking_key(folder / "owner.mk", key, PASSPHRASE, cost=CHEAP)
    save_published(folder / "owner.pvk", public)
    onnx.save(mlp_onnx(trained_layers(key.to_embed()), (8, 8)), folder / "marked.onnx")
    onnx.save(mlp_onnx(trained_layers(seed=2), (8, 8)), folder / "independent.onnx")
    return folder
