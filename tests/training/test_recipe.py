import dataclasses

import pytest
from json_output import closed, published
from jsonschema import Draft202012Validator

from wmproof.errors import InputError
from wmproof.training.recipe import PRESETS, Recipe, preset


def test_paper_preset_divides_by_ten_every_twenty_of_sixty_epochs():
    recipe = preset("paper")
    assert (recipe.learning_rate, recipe.batch_size, recipe.epochs) == (0.1, 100, 60)
    assert recipe.triggers_per_batch == 2
    steps_per_epoch = 500
    rates = [recipe.rate(epoch * steps_per_epoch, 60 * steps_per_epoch) for epoch in range(60)]
    assert rates == pytest.approx([0.1] * 20 + [0.01] * 20 + [0.001] * 20)
    last_of_first_third = recipe.rate(20 * steps_per_epoch - 1, 60 * steps_per_epoch)
    assert last_of_first_third == pytest.approx(0.1)


def test_cosine_warms_up_and_never_stops():
    recipe = Recipe(epochs=1, learning_rate=0.5, schedule="cosine")
    rates = [recipe.rate(step, 1000) for step in range(1000)]
    assert max(rates) == pytest.approx(0.5)
    assert rates.index(max(rates)) == 100
    assert min(rates) == pytest.approx(0.005)
    assert rates[-1] == min(rates)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"triggers_per_batch": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"momentum": 1.0},
        {"weight_decay": -1e-9},
        {"schedule": "linear"},
    ],
)
def test_values_out_of_range_are_refused(change):
    with pytest.raises(InputError):
        dataclasses.replace(PRESETS["quick"], **change)


def test_unknown_preset_is_refused():
    with pytest.raises(InputError, match="paper, fast, quick, robust"):
        preset("slow")


@pytest.mark.parametrize("name", PRESETS)
def test_the_published_schema_knows_every_preset(name):
    recipe = published()["$defs"]["mark"]["properties"]["recipe"]
    Draft202012Validator(closed(recipe)).validate(preset(name).fields())
