"""The presets of `wmproof experiment`."""

from __future__ import annotations

from wmproof.errors import InputError
from wmproof.experiments.setting import DataSpec, KeySpec, Setting, Sweeps
from wmproof.training.recipe import PRESETS, Recipe

EXPERIMENTS = ("smoke", "desk", "paper")

_TENTHS = tuple(tenth / 10 for tenth in range(1, 10))

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
    sweeps=Sweeps(
        pruning=(0.5, 0.9),
        structured=(0.5,),
        int8=True,
        circuit_images=50,
        preprocessing=(("noise", 32), ("blur", 0.5), ("jpeg", 50)),
        hot=True,
        fine_pruning=(0.5,),
        adversarial=(16.0,),
        overwriting=32,
        distillation=True,
        extraction=("task", "pictures"),
        capacity=(64, 256),
        false_claims=48,
        false_claim_epsilon=96.0,
        helps=("larger k",),
    ),
)

_DESK = Setting(
    name="fashion-mnist",
    data=DataSpec("fashion-mnist", training=6000, test=3000),
    network="resnet18",
    width=16,
    recipe=Recipe(
        epochs=4,
        batch_size=50,
        triggers_per_batch=24,
        learning_rate=0.05,
        schedule="cosine",
        augment=False,
    ),
    key=KeySpec(512),
    target=DataSpec("digits", side=28),
    transfer_epochs=10,
    sweeps=Sweeps(
        pruning=_TENTHS,
        structured=_TENTHS,
        int8=True,
        circuit_images=300,
        preprocessing=(
            ("noise", 16),
            ("noise", 48),
            ("blur", 0.5),
            ("blur", 1.0),
            ("jpeg", 75),
            ("jpeg", 25),
        ),
        hot=True,
        fine_pruning=(0.5, 0.9),
        adversarial=(16.0,),
        overwriting=256,
        distillation=True,
        extraction=("task", "pictures"),
        capacity=(64, 512, 1024, 2048),
        false_claims=64,
        helps=("larger k", "mixed triggers"),
    ),
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
        sweeps=Sweeps(
            pruning=_TENTHS,
            structured=_TENTHS,
            int8=True,
            circuit_images=1000,
            preprocessing=(("noise", 16), ("noise", 48), ("blur", 1.0), ("jpeg", 75), ("jpeg", 25)),
            hot=True,
            fine_pruning=(0.5, 0.9),
            adversarial=(8.0,),
            overwriting=100,
            distillation=True,
            extraction=("task", "pictures"),
            capacity=(64, 128, 256, 512, 1024, 2048),
            false_claims=100,
            helps=("larger k", "longer", "mixed triggers"),
        ),
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
