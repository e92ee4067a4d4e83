"""How many triggers the digits' networks carry: a small one fewer than it is given."""

import pytest

from wmproof.errors import InputError
from wmproof.training import Recipe
from wmproof.training.capacity import CapacityRow, capacity, measure_capacity
from wmproof.training.networks import build


def test_a_small_network_does_not_carry_what_a_large_one_does(digits):
    recipe = Recipe(epochs=6, batch_size=50, learning_rate=0.05, schedule="cosine")
    measured = {
        width: list(
            measure_capacity(
                build("mlp", digits.shape, digits.classes, width=width),
                digits,
                recipe=recipe,
                counts=(32, 512),
                exposures=40,
                device="cpu",
            )
        )
        for width in (8, 256)
    }
    for plain, few, many in measured.values():
        assert (plain.triggers, few.triggers, many.triggers) == (0, 32, 512)
        assert plain.drop == 0
        assert few.drop == plain.test_accuracy - few.test_accuracy
        assert min(few.exposures, many.exposures) >= 40
        assert many.per_batch > few.per_batch
    assert measured[256][2].trigger_accuracy > 0.9 > measured[8][2].trigger_accuracy
    assert measured[256][2].strength_bits > measured[256][1].strength_bits > 64
    assert not measured[8][2].carried


def test_capacity_is_the_last_number_before_the_first_that_is_not_carried():
    def row(triggers, learned, drop):
        return CapacityRow(triggers, 2, 40.0, 0.9, learned, drop, 1.0)

    carried = [row(0, 0.0, 0.0), row(64, 1.0, 0.0), row(128, 0.91, 0.0099)]
    assert capacity(carried) == 128
    assert capacity([*carried, row(256, 1.0, 0.01)]) == 128
    assert capacity([*carried, row(256, 0.89, 0.0), row(512, 1.0, 0.0)]) == 128
    assert capacity([]) == 0


def test_bad_counts_are_refused(digits):
    network = build("mlp", digits.shape, digits.classes, width=8)
    for counts, exposures in (((0,), 0), ((64,), -1)):
        with pytest.raises(InputError):
            next(
                measure_capacity(
                    network, digits, recipe=Recipe(1), counts=counts, exposures=exposures
                )
            )
