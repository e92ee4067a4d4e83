"""The graph of units, and what the report says of results."""

import dataclasses
import sys

import pytest

from wmproof.errors import InputError
from wmproof.experiments import EXPERIMENTS, experiment, plan_of
from wmproof.experiments.findings import sentences, verdict
from wmproof.experiments.plan import MARKED
from wmproof.experiments.tables import paper_numbers, unremovability, varied
from wmproof.experiments.tasks import task
from wmproof.experiments.tasks.attacks import tasks
from wmproof.experiments.unit import Unit, check_graph, fingerprints, with_needs
from wmproof.experiments.worth import claim, hits_for, judged
from wmproof.training import attacks as attack_files
from wmproof.training.attacks import registry

CHAIN = [
    Unit("a", "t", 1),
    Unit("b", "t", 1, {"x": 1}, ("a",)),
    Unit("c", "t", 2, {}, ("b",)),
    Unit("d", "t", 2),
]


def test_a_graph_with_a_missing_or_a_double_unit_is_refused():
    check_graph(CHAIN)
    with pytest.raises(InputError, match="does not come before"):
        check_graph(CHAIN[1:])
    with pytest.raises(InputError, match="two units"):
        check_graph([*CHAIN, CHAIN[0]])


def test_a_change_reaches_what_builds_on_it_and_nothing_else():
    before = fingerprints(CHAIN, {})
    changed = [CHAIN[0], dataclasses.replace(CHAIN[1], options={"x": 2}), *CHAIN[2:]]
    after = fingerprints(changed, {})
    assert {name for name in before if before[name] != after[name]} == {"b", "c"}
    everything = fingerprints(CHAIN, {"data": "other"})
    assert all(before[name] != everything[name] for name in before)


def test_wanted_units_bring_what_they_need():
    assert [unit.name for unit in with_needs(CHAIN, {"c"})] == ["a", "b", "c"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_unit_of_a_preset_has_a_task(name):
    for setting in experiment(name):
        plan = plan_of(setting)
        work = [unit for unit in plan.units if unit.task != "key"]
        marks = plan.fingerprints()
        assert len({marks[unit.name] for unit in work}) == len(work)
        assert all(callable(task(unit.task)) for unit in plan.units)
        assert {unit.item for unit in plan.units} - {0} == set(setting.items)


NEW_ATTACK = """
from wmproof.training.attacks.registry import Attack, Trial

ATTACKS = (
    Attack(
        place=2,
        task="nothing",
        strengths={"desk": [1, 2]},
        trial=lambda strength, owner: Trial(f"Nothing {strength}", {"strength": strength}),
        run=lambda theft: [theft.measured("as it was", theft.model)],
    ),
)
"""


def test_an_attack_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "nothing.py").write_text(NEW_ATTACK)
    for cached in (registry.attacks, tasks):
        cached.cache_clear()
    monkeypatch.setattr(attack_files, "__path__", [*attack_files.__path__, str(tmp_path)])
    try:
        (desk,), (smoke,) = (experiment(name) for name in ("desk", "smoke"))
        names = [unit.name for unit in plan_of(desk).units if unit.item == 5]
        assert names[:4] == ["Pruning", "Nothing 1", "Nothing 2", "Filter pruning"]
        assert all(unit.task != "nothing" for unit in plan_of(smoke).units)
        assert callable(task("nothing"))
    finally:
        for cached in (registry.attacks, tasks):
            cached.cache_clear()
        sys.modules.pop("wmproof.training.attacks.nothing", None)


def test_the_paper_preset_is_the_papers():
    cifar10, cifar100, imagenet = experiment("paper")
    for setting, epochs, batch in ((cifar10, 60, 100), (cifar100, 60, 100), (imagenet, 30, 256)):
        recipe = setting.recipe
        assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (epochs, batch, 0.1)
        assert recipe.triggers_per_batch == 2
        assert [recipe.rate(step, 3) for step in range(3)] == pytest.approx([0.1, 0.01, 0.001])
        assert recipe.at_last_rate().rate(0, 1) == pytest.approx(0.001)
        assert recipe.at_last_rate().epochs == epochs
        assert setting.key.triggers == 100
        assert setting.transfer_epochs == 20
    assert cifar10.target.name == cifar100.target.name == "stl10"


def test_desk_has_256_hidden_triggers_and_the_security_of_128_bits():
    (setting,) = experiment("desk")
    assert setting.key.triggers == 512
    assert setting.key.public
    assert (setting.network, setting.width) == ("resnet18", 16)


def result(trigger, test=0.9):
    keys = {
        name: {
            "accuracy": share,
            "hits": 1,
            "triggers": 1,
            "bits": 0,
            "strong": False,
            "holds": False,
        }
        for name, share in trigger.items()
    }
    counts = {"images": 10, "first": 9, "fifth": 10}
    return {"test_accuracy": test, "test": counts, "keys": keys, "cost": 1.0}


def test_units_are_chosen_by_item_and_by_name():
    (plan,) = map(plan_of, experiment("smoke"))
    assert plan.only() == plan
    found = [unit.name for unit in plan.only([2], ["FromScratch-*L"]).units]
    tuned = [f"FromScratch-{method}" for method in ("FTLL", "FTAL", "RTLL", "RTAL")]
    assert found == ["TS-Orig", "FromScratch", *tuned]
    assert not plan.only([3], ["FromScratch-*"]).units


def test_orderings_are_counted_over_seeds():
    plans = [plan_of(setting) for setting in experiment("orderings")]
    left = ((0.8, 0.9), (0.9, 0.9), (1.0, 0.6), (0.5, 0.9))
    runs = [
        (
            plan,
            {f"{n}-FTAL": result({"TS-Orig": share}) for n, share in zip(MARKED, two, strict=True)},
        )
        for plan, two in zip(plans, left, strict=False)
    ]
    head, _, row = varied(runs).splitlines()
    assert head == "| ordering | as-desk | epochs-16 |"
    assert row.endswith("| 2 of 3 (90.0% and 80.0%) | 0 of 1 (50.0% and 90.0%) |")
    assert varied([(plans[0], {})]) == ""


def test_findings_follow_the_numbers():
    results = {
        "No-WM": result({"TS-Orig": 0.1}, test=0.92),
        "FromScratch": result({"TS-Orig": 1.0}),
        "FromScratch-FTAL": result({"TS-Orig": 0.8}),
        "PreTrained-FTAL": result({"TS-Orig": 0.9}),
        "FromScratch-RTAL": result({"TS-Orig": 0.9}),
        "PreTrained-RTAL": result({"TS-Orig": 0.9}),
        "Pirated-RTAL": result({"TS-Orig": 0.9, "TS-New": 0.5}),
    }
    lines = list(sentences(results))
    assert "-2.00 points" in lines[0]
    assert "under FTAL (figure 6): **does not hold**, 80.0% and 90.0%" in lines[1]
    assert "under RTAL (figure 6): holds" in lines[2]
    assert "TS-Orig outlives TS-New under RTAL, pirated (figure 7): holds" in lines[3]
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("hits", "accuracy", "says"),
    [
        (106, 0.1, "claim holds"),
        (105, 0.9, "below 128 bits, model lives"),
        (105, 0.5, "below 128 bits, model dies"),
        (30, 0.86, "**dies while the model lives**"),
        (30, 0.84, "dies with the model"),
    ],
)
def test_verdicts_go_by_bits(hits, accuracy, says):
    assert verdict(0.9, accuracy, claim(hits, 256, 10)) == says


def test_worth_is_computed_from_counts_whatever_was_recorded():
    lie = {"hits": 105, "triggers": 256, "bits": 900, "strong": True, "holds": True}
    found = judged({"rows": [{"keys": {"TS-Orig": lie}, "label": "x"}], "cost": 1.0}, 10)
    assert found["rows"][0]["keys"]["TS-Orig"] == claim(105, 256, 10)
    assert (claim(105, 256, 10)["strong"], claim(106, 256, 10)["strong"]) == (False, True)
    assert hits_for(128, 256, 10) == 106
    assert hits_for(128, 8, 10) == 9


def test_what_is_not_finished_is_said():
    (setting,) = experiment("desk")
    text = unremovability(plan_of(setting), {"FromScratch": result({"TS-Orig": 1.0})})
    assert text.count("not finished") == 8 * 6 + 5
    assert "| FromScratch | 90.00% |" in text


def test_the_papers_numbers_name_their_tables():
    numbers = paper_numbers()
    assert numbers["table 1"]["cifar10"]["No-WM"] == [93.42, 7.0]
    assert numbers["table 4"]["imagenet"]["Transfer"] == [90.53, 99.77, 24.0, 52.0]
    assert all("what" in part for name, part in numbers.items() if name != "source")
