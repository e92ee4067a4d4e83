"""The tree, the tiles and the proofs of a log that is written to, at every size and step."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_support import LOG, OTHER_LOG, ROOT, entry, seeded_log, tree_hash
from tampering import flip

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.log.audit import audit
from wmproof.publication.log.checkpoint import open_checkpoint
from wmproof.publication.log.merkle import leaf_hash, verify_consistency, verify_inclusion
from wmproof.publication.log.note import SignatureKind
from wmproof.publication.log.paths import consistency_path, inclusion_path
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import NoteSigner
from wmproof.publication.log.store import Log, create_log
from wmproof.publication.log.tiles import Tile, tile_of
from wmproof.publication.log.verifier import verify_growth, verify_logged

WRITER = """
import sys
from wmproof.publication.log.note import SignatureKind
from wmproof.publication.log.signing import NoteSigner
from wmproof.publication.log.store import Log
signer = NoteSigner("example.com/log", SignatureKind.ED25519, bytes(range(32)))
log = Log(sys.argv[1])
count, every = int(sys.argv[3]), int(sys.argv[4])
for i in range(count):
    text = f"{sys.argv[2]} {i}"
    print(log.append(text.encode()), text, flush=True)
    if i % every == every - 1:
        size = log.checkpoint(signer).checkpoint.size
        print("checkpoint", size, flush=True)
"""


def writer(folder, name, count, every):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, folder, name, str(count), str(every)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


@given(st.integers(1, 200), st.data())
def test_proofs_of_any_tree_verify_and_no_others_do(size, data):
    entries = [entry(i) for i in range(size)]
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    root, old_root = tree_hash(entries), tree_hash(entries[:old])

    def hash_of(start, end):
        return tree_hash(entries[start:end])

    path = inclusion_path(hash_of, index, size)
    verify_inclusion(leaf_hash(entries[index]), index, size, root, path)
    growth = consistency_path(hash_of, old, size)
    verify_consistency(old, old_root, size, root, growth)
    other = data.draw(
        st.integers(0, size - 1).filter(lambda i: i != index) if size > 1 else st.just(size)
    )
    with pytest.raises(VerificationError):
        verify_inclusion(leaf_hash(entries[index]), other, size, root, path)
    with pytest.raises(VerificationError):
        verify_inclusion(leaf_hash(b"another"), index, size, root, path)
    if 0 < old < size:
        with pytest.raises(VerificationError):
            verify_consistency(old, root, size, root, growth)
        with pytest.raises(VerificationError):
            verify_consistency(old, old_root, size, old_root, growth)


def test_a_log_at_every_step(tmp_path):
    """Sizes around the edges of tiles, up to three levels of the tree, each checked whole."""
    log = create_log(tmp_path / "log", LOG)
    entries: list[bytes] = []
    old = LogReader(log.folder).signed
    for size in (1, 2, 255, 256, 257, 511, 512, 700, 66_000):
        entries += [entry(i) for i in range(len(entries), size)]
        log.append_all(entries[log.end :])
        assert log.checkpoint(LOG).checkpoint.root == tree_hash(entries)
        reader = LogReader(log.folder)
        assert audit(reader) == size
        for index in {0, size // 3, size - 1}:
            proof = reader.prove_inclusion(index).to_bytes()
            report = verify_logged(proof, entries[index], LOG.verifier_key)
            assert (report.index, report.checkpoint.size) == (index, size)
        proof = reader.prove_consistency(old.checkpoint).to_bytes()
        old = verify_growth(proof, old, LOG.verifier_key)
        assert old.checkpoint.size == size
    assert reader.find(entries[65_999]) == 65_999
    assert reader.find(b"never logged") is None
    assert list(reader.entries(300, 303)) == entries[300:303]
    assert not list((log.folder / "tile/0").rglob("000.p"))  # full tiles have replaced them


def test_the_layout_is_that_of_the_specification():
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(None, 0, 5).path == "tile/entries/000.p/5"
    widths = [tile_of(level, (70_000 >> 8 * level) - 1, 70_000) for level in range(3)]
    assert [(t.index, t.width) for t in widths] == [(273, 112), (1, 17), (0, 1)]
    assert tile_of(0, 255, 256).width == 256
    assert tile_of(1, 0, 256).width == 1


def test_what_cannot_be_appended(tmp_path, log):
    with pytest.raises(InputError, match="at most 65535 bytes"):
        log.append_all([b"short", bytes(65_536)])
    assert log.end == 300
    assert log.append_all([]) == range(300, 300)
    with pytest.raises(InputError, match="not empty"):
        create_log(log.folder, LOG)
    with pytest.raises(InputError, match="nowhere: is no log"):
        Log(tmp_path / "nowhere")
    with pytest.raises(InputError, match="with another key"):
        log.checkpoint(OTHER_LOG)
    with pytest.raises(InputError, match="a witness's key"):
        create_log(tmp_path / "w", NoteSigner("w", SignatureKind.COSIGNATURE, bytes(32)))


def test_an_entry_without_a_checkpoint_is_not_proved(log):
    assert log.append(b"late") == 300
    with pytest.raises(InputError, match="no entry 300"):
        LogReader(log.folder).prove_inclusion(300)
    log.checkpoint(LOG)
    verify_logged(LogReader(log.folder).prove_inclusion(300).to_bytes(), b"late", LOG.verifier_key)


def test_nothing_new_leaves_the_checkpoint_alone(log):
    before = (log.folder / "checkpoint").stat()
    log.checkpoint(LOG)
    after = (log.folder / "checkpoint").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_processes_and_threads_append_at_once(tmp_path):
    """Three processes of two threads' worth each, with checkpoints among them: no entry is lost."""
    log = create_log(tmp_path / "log", LOG)
    children = [writer(log.folder, f"process {n}", 60, 13) for n in range(3)]
    mine: list[int] = []

    def work(name):
        mine.extend(log.append(f"{name} {i}".encode()) for i in range(60))

    threads = [threading.Thread(target=work, args=(f"thread {n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    acknowledged = {}
    for child in children:
        for line in child.communicate()[0].splitlines():
            index, text = line.split(" ", 1)
            if index != "checkpoint":
                acknowledged[int(index)] = text
        assert child.returncode == 0
    for thread in threads:
        thread.join()
    assert sorted([*acknowledged, *mine]) == list(range(300))
    log.checkpoint(LOG)
    entries = list(LogReader(log.folder).entries())
    assert len(entries) == 300
    assert all(entries[index].decode() == text for index, text in acknowledged.items())
    assert audit(LogReader(log.folder)) == 300


def test_a_writer_that_is_killed_loses_nothing_and_forks_nothing(tmp_path):
    """SIGKILL at 25 moments, spread over starts, appends and checkpoints."""
    log = create_log(tmp_path / "log", LOG)
    acknowledged: dict[int, str] = {}
    seen = [LogReader(log.folder).signed]
    published = 0
    for attempt in range(25):
        child = writer(log.folder, f"life {attempt}", 10_000, 3)
        lines = list(itertools.islice(child.stdout, 1 + attempt % 4))
        time.sleep(0.0037 * (attempt % 7))
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().splitlines(keepends=True)
        assert child.wait() == -signal.SIGKILL
        for line in lines:
            if not line.endswith("\n"):  # killed while it told us
                continue
            name, text = line.rstrip("\n").split(" ", 1)
            if name == "checkpoint":
                published = int(text)
            else:
                assert acknowledged.setdefault(int(name), text) == text
        now = LogReader(log.folder)
        assert now.size >= published
        verify_growth(
            now.prove_consistency(seen[-1].checkpoint).to_bytes(), seen[-1], LOG.verifier_key
        )
        seen.append(now.signed)
    assert Log(log.folder).end > max(acknowledged)
    log.checkpoint(LOG)
    reader = LogReader(log.folder)
    entries = list(reader.entries())
    assert len(acknowledged) >= 25
    assert all(entries[index].decode() == text for index, text in acknowledged.items())
    audit(reader)
    for old in seen:
        reader.prove_consistency(old.checkpoint)


def test_a_write_that_was_cut_is_forgotten_and_damage_is_not(log):
    journal = log.folder / ".state" / "journal"
    log.append(b"kept")
    whole = journal.read_bytes()
    log.append(b"never acknowledged")
    for end in range(len(whole), journal.stat().st_size):
        journal.write_bytes(whole + journal.read_bytes()[len(whole) : end])
        assert Log(log.folder).end == 301
        journal.write_bytes(whole)
    journal.write_bytes(whole + b"\0\0\0")
    assert Log(log.folder).append(b"next") == 301
    after = journal.read_bytes()
    for position in range(len(after)):
        journal.write_bytes(after[:position] + bytes([after[position] ^ 1]) + after[position + 1 :])
        with pytest.raises(FormatError, match=r"is damaged|is not a wmproof|version"):
            Log(log.folder).append(b"lost?")
    journal.write_bytes(after)
    assert Log(log.folder).end == 302


def test_a_crash_between_the_checkpoint_and_the_journal(log):
    """The journal still holds what was published: it is published once only."""
    journal = log.folder / ".state" / "journal"
    log.append(b"new")
    full = journal.read_bytes()
    first = log.checkpoint(LOG)
    journal.write_bytes(full)
    again = Log(log.folder)
    assert again.end == 301
    assert again.checkpoint(LOG).note == first.note
    again.append(b"newer")
    second = again.checkpoint(LOG)
    assert second.checkpoint.size == 302
    assert list(LogReader(log.folder).entries(300)) == [b"new", b"newer"]


def test_a_folder_that_is_partly_older_than_itself_is_refused(log):
    checkpoint = log.folder / "checkpoint"
    old = checkpoint.read_bytes()
    log.append(b"new")
    log.checkpoint(LOG)
    checkpoint.write_bytes(old)
    with pytest.raises(VerificationError, match=r"size 300 .* does not fit the journal"):
        Log(log.folder).checkpoint(LOG)


def test_nothing_is_signed_over_tiles_that_were_changed(log):
    tile = log.folder / "tile/0/001.p/44"
    tile.write_bytes(flip(tile.read_bytes(), 7))
    log.append(b"new")
    with pytest.raises(
        VerificationError, match=r"tiles give the root .* not that of the checkpoint"
    ):
        log.checkpoint(LOG)
    assert LogReader(log.folder).size == 300


def test_two_logs_from_one_seed_are_equal(tmp_path):
    texts = []
    for name, steps in (("a", (10, 300)), ("b", (300,))):
        log = create_log(tmp_path / name, LOG)
        for size in steps:
            log.append_all([entry(i) for i in range(log.end, size)])
            log.checkpoint(LOG)
        texts.append((log.folder / "checkpoint").read_bytes())
    assert texts[0] == texts[1]
    assert open_checkpoint(texts[0], LOG.verifier_key).checkpoint.size == 300
    seeded_log(tmp_path / "c", 3)


def test_a_journal_that_another_process_began_again_under_the_same_inode(log):
    """File systems give a number again; then only the header tells two journals apart."""
    journal = log.folder / ".state" / "journal"
    assert log.end == 300
    other = Log(log.folder)
    other.append(b"a")
    kept = journal.with_name("kept")
    os.link(journal, kept)
    other.checkpoint(LOG)
    kept.write_bytes(journal.read_bytes())
    kept.replace(journal)
    assert log.append(b"b") == 301
    assert Log(log.folder).end == 302


def test_a_journal_restored_under_a_process_that_knew_a_longer_one(log):
    journal = log.folder / ".state" / "journal"
    short = journal.read_bytes()
    assert log.append_all([b"a" * 100, b"b"]) == range(300, 302)
    with journal.open("r+b") as file:
        file.truncate(len(short))
    assert log.append(b"c") == 300
    assert Log(log.folder).end == 301
