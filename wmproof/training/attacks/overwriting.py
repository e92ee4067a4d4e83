"""Overwriting: new random answers take the room of the owner's, or so the thief hopes."""

from collections.abc import Iterator

from wmproof.training.attacks.random_triggers import random_triggers
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial, impatient
from wmproof.training.embedding import mark
from wmproof.training.recipe import Recipe


def _try(theft: Theft) -> Iterator[Row]:
    count: int = theft.options["triggers"]
    result = mark(
        theft.model,
        theft.training,
        random_triggers(count, theft.shape, theft.classes, seed=theft.seed + 1),
        start="pretrained",
        recipe=theft.recipe(),
        **theft.training_options(),
    )
    yield theft.trained(f"{count} random triggers", result)


def _trial(count: int, owner: Recipe) -> Trial:
    return Trial("Overwriting", {"triggers": count, "recipe": impatient(owner).fields()})


ATTACKS = (
    Attack(
        place=9,
        task="overwrite",
        strengths={"smoke": [32], "desk": [256], "robust": [256], "paper": [100]},
        trial=_trial,
        run=_try,
        trains_on=True,
    ),
)
