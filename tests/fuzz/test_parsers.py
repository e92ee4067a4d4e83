"""Every parser of files, on bytes that real files became: it parses them, or raises its own error.

In the suite each target runs briefly. For an hour, all targets together:

    FUZZ_SECONDS=3600 python -m pytest tests/fuzz --timeout 0
    python tests/fuzz/campaign.py 3600                          # guided by coverage, with atheris
"""

import ast
import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import attempt, targets

import wmproof

PACKAGE = Path(wmproof.__file__).parent
KERNELS = PACKAGE / "argument" / "kernels"
BEGINNINGS = ("parse_", "read_", "load_", "decode", "decrypt_", "open_")
# Functions that are named like parsers of bytes from outside, and have no target.
NO_TARGET = {
    "cli/reading_options.py:read_numbers": "an option's numbers between commas",
    "cli/suspects.py:open_suspect": "reads through open_model and the replies of an endpoint",
    "commitment/schemes.py:open_batch": "checks commitments",
    "experiments/data.py:load_data": "chooses one of the readers of data",
    "experiments/imagenet.py:load_imagenet": "torchvision reads it",
    "keys/encryption.py:decrypt_marking_key": "the rest is sealed",
    "keys/files.py:load_marking_key": "as decrypt_marking_key",
    "models/function.py:read_answers": "takes an array",
    "models/function.py:read_scores": "takes an array",
    "models/onnx_file.py:open_model": "ONNX Runtime reads it; SECURITY.md says what that means",
    "models/onnx_file.py:open_session": "as open_model",
    "pverify/statement.py:open_public_model": "as open_model, and compiles, which has a target",
    "cli/specimen/__init__.py:read_specimen": "reads the package's own files",
    "training/data/__init__.py:load": "as load_data",
    "training/data/digits.py:load_digits": "scikit-learn's own",
    "training/data/fashion_mnist.py:load_fashion_mnist": "reads by read_idx",
    "training/data/torchvision_sets.py:load_torchvision": "torchvision reads it",
    "training/sources.py:read_all": "takes a torch data set",
}
KINDS = ("set", "cut", "insert", "repeat")
BYTES = st.integers(0, 255)
FRACTION = st.floats(0, 1, exclude_max=True)
CHANGES = st.lists(st.tuples(FRACTION, st.sampled_from(KINDS), BYTES), max_size=6)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    return targets(folder), folder


def damaged(data: bytes, changes: list[tuple[float, str, int]]) -> bytes:
    """Apply small changes; places are shares of the length, headers are hit by half of them."""
    for share, kind, value in changes:
        length = min(len(data), 256) if value & 1 else len(data)
        place = int(share * length)
        match kind:
            case "set":
                data = data[:place] + bytes([value]) + data[place + 1 :]
            case "cut":
                data = data[:place] + data[place + value :]
            case "insert":
                data = data[:place] + bytes([value]) * (value % 9) + data[place:]
            case _:
                data = data[: place + value] + data[place:]
    return data


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_parser_raises_nothing_but_its_own_error(known):
    found, folder = known
    seconds = float(os.environ.get("FUZZ_SECONDS", "0")) / len(found)
    for name, target in found.items():
        try:
            attack(target, folder, seconds)
        except BaseException as error:
            error.add_note(f"the target is {name!r}")
            raise


def attack(target, folder, seconds):
    """Try some changes of the seeds, and more until the time is over."""

    @settings(
        max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.sampled_from(target.seeds), CHANGES, st.none() | st.binary(max_size=300))
    def once(seed, changes, other):
        attempt(target, damaged(seed, changes) if other is None else other, folder)

    end = time.monotonic() + seconds
    once()
    while time.monotonic() < end:
        once()


def parsers() -> set[str]:
    """Public functions of modules that are named like parsers; kernels load no files."""
    found = set()
    for path in sorted({*PACKAGE.rglob("*.py")} - {*KERNELS.rglob("*.py")}):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and (
                node.name.startswith(BEGINNINGS) or node.name == "load"
            ):
                found.add(f"{path.relative_to(PACKAGE)}:{node.name}")
    return found


def test_every_parser_has_a_target(known):
    """The seeds are parsed once, and every function that is called is noted."""
    found, folder = known
    called = set()

    def note(frame, event, _argument):
        if event == "call" and frame.f_code.co_filename.startswith(str(PACKAGE)):
            path = Path(frame.f_code.co_filename).relative_to(PACKAGE)
            called.add(f"{path}:{frame.f_code.co_name}")

    sys.setprofile(note)
    try:
        accepted = {
            name: [attempt(target, seed, folder) for seed in target.seeds]
            for name, target in found.items()
        }
    finally:
        sys.setprofile(None)
    assert [name for name, results in accepted.items() if not all(results)] == []
    missing, known_missing = parsers() - called, set(NO_TARGET)
    assert (missing - known_missing, known_missing - missing) == (set(), set())
