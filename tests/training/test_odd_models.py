"""Models, labels and weights that a user may well hand in: a sentence for each, or it works."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from wmproof.core.triggers import TriggerSet
from wmproof.errors import InputError
from wmproof.training import load_weights, mark
from wmproof.training.normalization import Normalization
from wmproof.training.recipe import Recipe
from wmproof.training.sources import PixelDataset

RECIPE = Recipe(epochs=1, batch_size=8, triggers_per_batch=2)
PIXELS = np.random.default_rng(1).integers(0, 256, (20, 1, 4, 4), dtype=np.uint8)
LABELS = np.arange(20) % 3
TRIGGERS = TriggerSet(PIXELS[:4].copy(), LABELS[:4].astype(np.int64), 3)


class Answers(nn.Module):
    """Three classes, packed as `pack` wants."""

    def __init__(self, pack):
        super().__init__()
        self.flatten, self.linear, self.pack = nn.Flatten(), nn.Linear(16, 3), pack

    def forward(self, images):
        return self.pack(self.linear(self.flatten(images)))


def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def embed(model, labels=LABELS):
    return mark(model, PixelDataset(PIXELS, labels), TRIGGERS, recipe=RECIPE)


@pytest.mark.parametrize(
    ("pack", "name"), [(lambda x: (x, x), "tuple"), (lambda x: {"logits": x}, "dict")]
)
def test_packed_answers_are_named(pack, name):
    with pytest.raises(InputError, match=f"with a {name}, not with one tensor"):
        embed(Answers(pack))


def test_lazy_layers_are_named_until_they_have_shapes():
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(InputError, match=r"1\.weight.*lazy layer"):
        embed(lazy)
    lazy(torch.zeros(1, 1, 4, 4))
    assert embed(lazy).history


def test_a_frozen_model_is_named_and_a_partly_frozen_one_learns():
    frozen = plain()
    for parameter in frozen.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(InputError, match="requires a gradient"):
        embed(frozen)
    frozen[1].bias.requires_grad_(True)
    assert embed(frozen).history


def test_labels_out_of_range_are_named():
    with pytest.raises(InputError, match="class 3, and the model only has 3 classes"):
        embed(plain(), LABELS + 1)
    with pytest.raises(InputError, match="start at 0"):
        embed(plain(), LABELS - 1)


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize("workers", [0, 1])
def test_labels_out_of_range_in_a_foreign_data_set_are_named(label, workers):
    labels = torch.from_numpy(LABELS.copy())
    labels[7] = label
    data = TensorDataset(torch.from_numpy(PIXELS.copy()), labels)
    normal = Normalization((127.0,), (64.0,))
    with pytest.raises(InputError, match=f"class {label}, the model has 3"):
        mark(plain(), data, TRIGGERS, recipe=RECIPE, normalization=normal, workers=workers)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("name", [None, "state_dict", "model_state_dict", "model"])
def test_weights_are_found_as_training_scripts_save_them(tmp_path, prefix, name):
    trained, fresh = plain(), plain()
    state = {prefix + key: tensor for key, tensor in trained.state_dict().items()}
    torch.save(state if name is None else {name: state, "epoch": 3}, tmp_path / "w.pt")
    load_weights(fresh, tmp_path / "w.pt")
    assert all(
        torch.equal(a, b) for a, b in zip(fresh.parameters(), trained.parameters(), strict=False)
    )


def test_weights_of_another_network_are_still_named(tmp_path):
    torch.save({"model": nn.Linear(2, 2).state_dict()}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="another network"):
        load_weights(plain(), tmp_path / "w.pt")
