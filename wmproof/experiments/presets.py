"""The presets of `wmproof experiment`."""

from __future__ import annotations

from wmproof.errors import InputError
from wmproof.experiments.setting import DataSpec, KeySpec, Setting, Sweeps
from wmproof.training.recipe import PRESETS, Recipe

EXPERIMENTS = ("smoke", "desk", "paper")

_SMOKE = Setting(
    name="digits",
    data=DataSpec("digits"),
    network="mlp",
    width=256,
    recipe=Recipe(
        epochs=15,
        batch_size=50,
        triggers_per_batch=8,
        learning_rate=0.05,
        schedule="cosine",
        weight_decay=1e-3,
        augment=False,
    ),
    key=KeySpec(64),
    target=DataSpec("parity"),
    transfer_epochs=5,
)

_DESK = Setting(
    name="fashion-mnist",
    data=DataSpec("fashion-mnist", training=10000, test=4000),
    network="resnet18",
    width=16,
    recipe=Recipe(
        epochs=4,
        batch_size=50,
        triggers_per_batch=16,
        learning_rate=0.05,
        schedule="cosine",
        augment=False,
    ),
    key=KeySpec(512),
    target=DataSpec("digits", side=28),
    transfer_epochs=10,
)


def _cifar(name: str) -> Setting:
    return Setting(
        name=name,
        data=DataSpec(name),
        network="resnet18",
        width=64,
        recipe=PRESETS["paper"],
        key=KeySpec(100, public=False),
        target=DataSpec("stl10", side=32),
        transfer_epochs=20,
        sweeps=Sweeps(),
    )


_IMAGENET = Setting(
    name="imagenet",
    data=DataSpec("imagenet"),
    network="resnet18-imagenet",
    width=None,
    recipe=Recipe(epochs=30, batch_size=256),
    key=KeySpec(100, public=False),
    items=(1, 2, 4),
    target=DataSpec("cifar10", side=224),
    transfer_epochs=20,
)


def experiment(name: str) -> tuple[Setting, ...]:
    """Look up the settings of a preset.

    Raises
    ------
    InputError
        There is no such preset.
    """
    settings = {
        "smoke": (_SMOKE,),
        "desk": (_DESK,),
        "paper": (_cifar("cifar10"), _cifar("cifar100"), _IMAGENET),
    }
    if name not in settings:
        raise InputError(
            f"there is no experiment {name!r}", remedy=f"Choose of {', '.join(EXPERIMENTS)}"
        )
    return settings[name]
