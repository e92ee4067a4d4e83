"""Attacks one after the other: who copies or prunes a network may train it on afterwards."""

from collections.abc import Iterator

from wmproof.training.attacks.distillation import distill
from wmproof.training.attacks.finetuning import fine_tune
from wmproof.training.attacks.pruning import finetune_pruned, prune_magnitude
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial
from wmproof.training.recipe import Recipe


def _try_copy(theft: Theft) -> Iterator[Row]:
    """Learn from the soft answers, then train the student on with the thief's own labels."""
    options, recipe = theft.training_options(), theft.recipe()
    # The checkpoint of the first training is not the second's.
    copied = distill(
        theft.model, theft.fresh(), theft.training, recipe=recipe, **options | {"checkpoint": None}
    )
    tuned = fine_tune(copied.model, theft.training, "FTAL", recipe=recipe, **options)
    yield theft.trained("soft answers, FTAL", tuned, passes=2)


def _try_pruned(theft: Theft) -> Iterator[Row]:
    """Prune by magnitude, then train on while what is zero stays zero."""
    share: float = theft.options["share"]
    result = finetune_pruned(
        prune_magnitude(theft.model, share),
        theft.training,
        recipe=theft.recipe(),
        **theft.training_options(),
    )
    yield theft.trained(f"{share:.0%} of weights, FTAL", result)


def _copy(_: None, owner: Recipe) -> Trial:
    return Trial("Distillation, then FTAL", {"recipe": owner.fields()})


def _pruned(share: float, owner: Recipe) -> Trial:
    return Trial(f"Pruning {share}, then FTAL", {"share": share, "recipe": owner.fields()})


ATTACKS = (
    Attack(
        place=7,
        task="prune-finetune",
        strengths={"desk": [0.5], "robust": [0.5], "paper": [0.5]},
        trial=_pruned,
        run=_try_pruned,
        trains_on=True,
    ),
    Attack(
        place=12,
        task="distill-finetune",
        strengths={"desk": [None], "robust": [None], "paper": [None]},
        trial=_copy,
        run=_try_copy,
    ),
)
