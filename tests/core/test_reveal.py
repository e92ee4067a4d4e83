import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from core_support import CHEAP, PASSPHRASE
from own_process import ROOT

from wmproof.core.triggers import noise
from wmproof.errors import InputError, PassphraseError
from wmproof.keys import load_batch_opening, load_marking_key, save_marking_key
from wmproof.keys.bounded import reveal, reveal_again
from wmproof.keys.keygen import keygen, keygen_bounded


@pytest.fixture
def bounded(tmp_path):
    key, vk = keygen_bounded(noise(24, (4, 4)), 10, batches=6)
    save_marking_key(tmp_path / "k.mk", key, PASSPHRASE, cost=CHEAP)
    return tmp_path / "k.mk", vk


def revealed(path):
    return load_marking_key(path, PASSPHRASE).revealed


def test_batches_are_opened_in_order_and_only_once(bounded, tmp_path):
    path, vk = bounded
    for number in range(1, 7):
        opening = reveal(path, tmp_path / f"{number}", PASSPHRASE)
        assert opening.batch == number == revealed(path)
        assert load_batch_opening(tmp_path / f"{number}", vk).to_bytes() == opening.to_bytes()
    with pytest.raises(InputError, match="all 6 batches"):
        reveal(path, tmp_path / "7", PASSPHRASE)
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_opening_can_be_written_again_but_never_early(bounded, tmp_path):
    path, _ = bounded
    first = reveal(path, tmp_path / "a", PASSPHRASE)
    again = reveal_again(path, 1, tmp_path / "b", PASSPHRASE)
    assert again.to_bytes() == first.to_bytes() == (tmp_path / "b").read_bytes()
    with pytest.raises(InputError, match="still secret"):
        reveal_again(path, 2, tmp_path / "c", PASSPHRASE)
    assert revealed(path) == 1


@pytest.mark.parametrize("trouble", ["taken", "itself", "no folder", "passphrase", "kind"])
def test_what_is_refused_spends_nothing(bounded, tmp_path, trouble):
    path, _ = bounded
    target, passphrase, error = tmp_path / "out", PASSPHRASE, InputError
    if trouble == "taken":
        target.write_text("precious")
    elif trouble == "itself":
        target = path
    elif trouble == "no folder":
        target = tmp_path / "missing" / "out"
    elif trouble == "passphrase":
        passphrase, error = "wrong", PassphraseError
    else:
        private, _ = keygen(noise(4, (4, 4)), 10)
        save_marking_key(tmp_path / "p.mk", private, PASSPHRASE, cost=CHEAP)
        path = tmp_path / "p.mk"
    before = path.read_bytes()
    with pytest.raises(error):
        reveal(path, target, passphrase)
    assert path.read_bytes() == before
    if trouble == "taken":
        assert target.read_text() == "precious"


def test_a_full_disk_behind_the_opening_leaves_the_batch_spent(bounded, tmp_path):
    path, _ = bounded
    with pytest.raises(InputError, match="No space left") as caught:
        reveal(path, "/dev/full", PASSPHRASE)
    assert "--again 1" in str(caught.value)
    assert revealed(path) == 1
    assert reveal(path, tmp_path / "next", PASSPHRASE).batch == 2
    assert reveal_again(path, 1, tmp_path / "first", PASSPHRASE).batch == 1


def start_reveal(path, target):
    code = "import sys; from wmproof.keys.bounded import reveal; reveal(*sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(target), PASSPHRASE],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )


def test_a_killed_process_never_leaves_a_fresh_batch_published(bounded, tmp_path):
    """Nobody reads the pipe, so the process waits where the opening would be published: kill it."""
    path, _ = bounded
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = start_reveal(path, pipe)
    deadline = time.monotonic() + 500
    while revealed(path) == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert revealed(path) == 1
    assert reveal(path, tmp_path / "next", PASSPHRASE).batch == 2
    assert not [name for name in tmp_path.glob(".*") if name.suffix != ".lock"]


def test_processes_at_the_same_time_open_different_batches(bounded, tmp_path):
    path, vk = bounded
    targets = [tmp_path / f"{i}" for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda target: start_reveal(path, target).wait(), targets))
    assert codes == [0] * 4
    assert sorted(load_batch_opening(target, vk).batch for target in targets) == [1, 2, 3, 4]
    assert revealed(path) == 4
