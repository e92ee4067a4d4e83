"""Each kind of bad input is one clear error, and leaves what was there as it was."""

import resource

import pytest
from json_output import parse_output
from PIL import Image

from wmproof.cli import main
from wmproof.errors import FormatError, InputError
from wmproof.experiments.data import load_data
from wmproof.experiments.setting import DataSpec, KeySpec
from wmproof.experiments.store import Store, held, open_folder


def fails(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        main(["experiment", *map(str, arguments)])
    assert exit_.value.code == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text


def test_a_data_set_that_is_missing(tmp_path, capsys):
    text = fails(capsys, "desk", "--out", tmp_path / "o", "--data-folder", tmp_path / "nowhere")
    assert "dataset-fashion-mnist" in text
    assert "folder" in fails(capsys, "paper", "--out", tmp_path / "p", "--only", "cifar10")
    assert "ImageNet" in fails(capsys, "paper", "--out", tmp_path / "p", "--only", "imagenet")


def test_a_wrong_class_count(tmp_path):
    for part in ("train", "val"):
        for name in ("one", "two"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / part / name / "a.png")
    with pytest.raises(InputError, match="2 classes, not 1000"):
        load_data(DataSpec("imagenet"), tmp_path, 0, rehearsal=False)


def test_a_folder_of_something_else(tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("dear")
    assert "no experiment's" in fails(capsys, "smoke", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_folder_of_another_preset(tmp_path, capsys):
    open_folder(tmp_path, "desk")
    assert "'desk', not 'smoke'" in fails(capsys, "smoke", "--out", tmp_path)


def test_a_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot be made" in fails(capsys, "smoke", "--out", tmp_path / "file")


def test_a_folder_in_use(tmp_path, capsys):
    open_folder(tmp_path, "smoke")
    with held(tmp_path):
        assert "in use by" in fails(capsys, "smoke", "--out", tmp_path)


def test_an_unknown_setting(tmp_path, capsys):
    text = fails(capsys, "paper", "--out", tmp_path / "o", "--only", "mnist")
    assert "cifar10, cifar100, imagenet" in text.replace("\n", " ")
    assert not (tmp_path / "o").exists()


def test_a_report_of_nothing(tmp_path, capsys):
    assert "not a folder" in fails(capsys, "smoke", "--out", tmp_path / "o", "--report-only")
    open_folder(tmp_path, "smoke")
    assert "no finished unit" in fails(capsys, "smoke", "--out", tmp_path, "--report-only")


def test_results_of_other_settings(tmp_path, capsys):
    open_folder(tmp_path, "smoke")
    Store(tmp_path / "digits").write("TS-Orig", "0" * 64, {}, seconds=0)
    text = fails(capsys, "smoke", "--out", tmp_path, "--item", 1)
    assert "other settings" in text


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": "x"}', "[" * 100000])
def test_a_damaged_result(tmp_path, content):
    store = Store(tmp_path)
    (tmp_path / "units" / "a.json").write_text(content)
    with pytest.raises(FormatError):
        store.read("a", "0" * 64)


def test_a_disk_that_takes_no_more(tmp_path, wmproof):
    """The system refuses long files from some point on, as a full disk does."""
    limit = 100_000
    folder = tmp_path / "out"
    done = wmproof(
        "smoke", "--out", folder, "--item", 1, "--device", "cpu",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (folder / "digits" / "units").iterdir()] == ["TS-Orig.json"]
    assert not list((folder / "digits" / "weights").iterdir())


def test_a_key_that_cannot_be_made():
    with pytest.raises(InputError, match="cannot be made"):
        KeySpec(30)


def test_the_plan_is_listed_without_data(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["experiment", "paper", "--out", "nowhere", "--plan", "--json"])
    assert exit_.value.code == 0
    units = parse_output(capsys.readouterr().out)["units"]
    assert {unit["setting"] for unit in units} == {"cifar10", "cifar100", "imagenet"}
    names = [unit["unit"] for unit in units if unit["setting"] == "imagenet"]
    assert names[:4] == ["TS-Orig", "No-WM", "FromScratch", "PreTrained"]
    assert "Transfer" in names
