"""The presets of `wmproof experiment`."""

from dataclasses import replace
from typing import Any

from wmproof.errors import InputError
from wmproof.experiments.setting import DataSpec, KeySpec, Setting, Sweeps
from wmproof.training.recipe import PRESETS, Recipe

EXPERIMENTS = ("smoke", "desk", "orderings", "robust", "whole", "paper")

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
    attacks="smoke",
    sweeps=Sweeps(
        capacity=(64, 256), false_claims=48, false_claim_epsilon=96.0, helps=("larger k",)
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
    attacks="desk",
    sweeps=Sweeps(
        capacity=(64, 512, 1024, 2048), false_claims=64, helps=("larger k", "mixed triggers")
    ),
)


def _robust(network: str, width: int, seed: int, images: int | None = None) -> Setting:
    """Marks that guard against changed weights or against copies beside one that does not."""
    return Setting(
        name=f"{network}-seed-{seed}",
        data=DataSpec("fashion-mnist", training=images),
        network=network,
        width=width,
        recipe=Recipe(
            epochs=10,
            batch_size=400 if images is None else 100,
            triggers_per_batch=48,
            learning_rate=0.1,
            schedule="cosine",
            augment=False,
        ),
        key=KeySpec(512),
        items=(7,),
        seed=seed,
        attacks="robust",
        sweeps=Sweeps(
            helps=(
                "nothing changed",
                "perturbed by 0.01",
                "perturbed by 0.03",
                "perturbed at random by 0",
                "perturbed at random by 0.03",
                "directions by 0.2",
                "directions by 0.4",
                "directions by 0.7",
            ),
            every_attack=True,
            innocents=2,
        ),
    )


# The desk's recipe with one thing changed.
_CHANGES: dict[str, dict[str, Any]] = {
    "as-desk": {},
    "epochs-16": {"epochs": 16},
    "k-6": {"triggers_per_batch": 6},
    "rate-0.005": {"learning_rate": 0.005},
    "augmented": {"augment": True},
}


def _orderings(change: str, seed: int) -> Setting:
    """Items 1 to 3 of the desk, by a network that is quick to train."""
    return replace(
        _DESK,
        name=f"{change}-seed-{seed}",
        data=replace(_DESK.data, test=None),
        network="mlp",
        width=256,
        recipe=replace(_DESK.recipe, **_CHANGES[change]),
        items=(1, 2, 3),
        seed=seed,
        target=None,
        attacks=None,
        sweeps=Sweeps(),
    )


def _whole(network: str, width: int, seed: int) -> Setting:
    """The desk with all images, the epochs that they deserve, and innocents as a control."""
    robust = _robust(network, width, seed)
    return replace(
        robust,
        recipe=replace(robust.recipe, epochs=20),
        items=(1, 2, 3, 4, 5, 7),
        target=_DESK.target,
        transfer_epochs=_DESK.transfer_epochs,
        attacks=_DESK.attacks,
        sweeps=Sweeps(innocents=2),
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
        attacks="paper",
        sweeps=Sweeps(
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
    """Look up the settings of a preset; InputError if there is no such preset."""
    settings = {
        "smoke": (_SMOKE,),
        "desk": (_DESK,),
        "orderings": tuple(_orderings(change, seed) for change in _CHANGES for seed in range(3)),
        "whole": tuple(
            _whole(network, width, seed)
            for network, width in (("resnet18", 16), ("lenet5", 12))
            for seed in range(3)
        ),
        "robust": (
            *(_robust("resnet18", 16, seed) for seed in range(3)),
            *(_robust("lenet5", 12, seed, 12_000) for seed in range(3)),
            *(_robust("mlp", 256, seed, 12_000) for seed in range(3)),
        ),
        "paper": (_cifar("cifar10"), _cifar("cifar100"), _IMAGENET),
    }
    if name not in settings:
        raise InputError(
            f"there is no experiment {name!r}", remedy=f"Choose of {', '.join(EXPERIMENTS)}"
        )
    return settings[name]
