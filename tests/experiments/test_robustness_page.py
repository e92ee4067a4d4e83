"""docs/robustness.md against the counts that were committed: nothing in its table is typed."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from wmproof.cli.app import cli
from wmproof.errors import InputError
from wmproof.experiments import experiment, plan_of
from wmproof.experiments.marks import against_attacks, innocents
from wmproof.experiments.plots import bits
from wmproof.experiments.report import write_report
from wmproof.experiments.seeds import accuracies, families, left_table
from wmproof.experiments.store import Store, open_folder
from wmproof.experiments.tables import left, varied
from wmproof.experiments.worth import judged

DOCS = Path(__file__).parents[2] / "docs"
RECORD = DOCS / "results-desk.json"


def desk():
    (setting,) = experiment("desk")
    return plan_of(setting)


def test_the_table_is_the_commands():
    units = json.loads(RECORD.read_text())["fashion-mnist"]["units"]
    results = {name: judged(unit["results"], 10) for name, unit in units.items()}
    table = left(desk(), results).splitlines()
    wanted = table[:2] + [row for row in table[2:] if row.split(" | ")[5] == "no"]
    assert block_of("left of results-desk.json").splitlines() == wanted
    assert len(wanted) > 10


def recorded(preset):
    """Every setting's plan, with what was found."""
    record = json.loads((DOCS / f"results-{preset}.json").read_text())
    for setting in experiment(preset):
        units = record[setting.name]["units"]
        yield plan_of(setting), {n: judged(u["results"], 10) for n, u in units.items()}


def block_of(name):
    page = (DOCS / "robustness.md").read_text()
    (block,) = re.findall(f"<!-- {name}: begin -->\n(.*?)\n<!-- {name}: end -->", page, re.DOTALL)
    return block


def test_the_table_of_orderings_is_the_commands():
    assert block_of("orderings of results-orderings.json") == varied([*recorded("orderings")])


def test_the_tables_of_marks_are_the_commands():
    block, lines = block_of("marks of results-robust.json"), []
    for name, family in families([*recorded("robust")]).items():
        if any(results for _, results in family):
            lines += [f"**{name}.** {innocents(family)}", "", against_attacks(family), ""]
    assert block == "\n".join(lines).rstrip()
    assert "perturbed at random by 0.03" in block


def test_the_tables_over_seeds_are_the_commands():
    """Of what is left, the rows of which a tenth is lost in the mean."""
    lines = []
    for name, family in families([*recorded("whole")]).items():
        if any(results for _, results in family):
            rows = left_table(family).splitlines()
            lost = [row for row in rows[2:] if int(row.split(" | ")[3].partition("%")[0]) < 90]
            assert len(lost) > 10
            lines += [f"**{name}.** {innocents(family)}", "", accuracies(family), ""]
            lines += [*rows[:2], *lost, ""]
    assert block_of("seeds of results-whole.json") == "\n".join(lines).rstrip()


def test_a_plot_has_room_for_every_attack():
    """Thirty names beside it left a fifth of the height to the axes."""
    figures = [bits(plan, results) for plan, results in recorded("whole") if results]
    assert len(figures) == 4
    for figure in figures:
        figure.draw_without_rendering()
        assert figure.axes[0].get_position().height > 0.7


def test_the_page_of_results_is_the_commands(tmp_path):
    page, *plots, record = write_report([desk()], tmp_path / "none", "desk", tmp_path, RECORD)
    assert page.read_text() == (DOCS / "results-desk.md").read_text()
    assert "results-desk-fashion-mnist-bits.svg" in {path.name for path in plots}
    assert record.read_bytes() == RECORD.read_bytes()


def test_what_a_folder_has_replaces_all_of_a_record_that_hangs_together_with_it(tmp_path):
    """Networks of one run are not asked for the keys of another; the rest stays as recorded."""
    plans = [plan_of(setting) for setting in experiment("robust")]
    changed = plans[1].setting.name
    open_folder(tmp_path, "robust")
    mark = plans[1].fingerprints()["TS-Orig"]
    Store(tmp_path / changed).write("TS-Orig", mark, {"triggers": 256}, seconds=1)
    *_, record = write_report(
        plans, tmp_path, "robust", tmp_path / "out", DOCS / "results-robust.json"
    )
    before, after = (
        json.loads(path.read_text()) for path in (DOCS / "results-robust.json", record)
    )
    assert {name for name in before if before[name] != after[name]} == {changed}
    units = before[changed]["units"]
    gone = {"Innocent 1", "Innocent 2"}
    assert gone < units.keys()
    assert after[changed]["units"].keys() == units.keys() - gone
    assert after[changed]["units"]["TS-Orig"] == {"results": {"triggers": 256}, "seconds": 1}
    assert any(name.startswith("FromScratch, ") for name in units)


def test_a_record_of_other_settings_is_refused(tmp_path):
    facts = json.loads(RECORD.read_text())
    facts["fashion-mnist"]["setting"]["seed"] = 1
    other = tmp_path / "results-desk.json"
    for text, message in (
        (json.dumps(facts), "another seed"),
        ("{}", "no record"),
        ('{"fashion-mnist": 1}', "no record"),
        ("[", "no rec"),
    ):
        other.write_text(text)
        with pytest.raises(InputError, match=message):
            write_report([desk()], tmp_path, "desk", tmp_path / "out", other)
    assert not (tmp_path / "out").exists()


def test_a_record_is_not_replaced_by_a_part_of_itself(tmp_path):
    record = tmp_path / "results-robust.json"
    record.write_bytes((DOCS / "results-robust.json").read_bytes())
    plans = [plan_of(setting) for setting in experiment("robust")]
    with pytest.raises(InputError, match="would lose its results of"):
        write_report(plans[:1], tmp_path, "robust", recorded=record)
    assert record.read_bytes() == (DOCS / "results-robust.json").read_bytes()


def test_a_name_that_no_unit_has_is_refused_before_anything_is_written(tmp_path):
    out = tmp_path / "out"
    arguments = ["experiment", "smoke", "-o", str(out), "--unit", "nothing-like-it"]
    found = CliRunner().invoke(cli, arguments)
    assert isinstance(found.exception, InputError)
    assert "has no unit of this name" in str(found.exception)
    assert not out.exists()
