import stat
from pathlib import Path

import pytest
from own_process import python

from wmproof._base.files import check_target, read_file, write_file, write_files
from wmproof.errors import InputError


def names(folder):
    return sorted(item.name for item in folder.iterdir())


def test_files_are_written_whole_and_with_their_mode(tmp_path):
    write_file(tmp_path / "a", b"one", mode=0o600)
    assert (tmp_path / "a").read_bytes() == b"one"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    write_file(tmp_path / "a", b"two", overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"two"
    assert names(tmp_path) == ["a"]


def test_existing_files_are_kept(tmp_path):
    write_file(tmp_path / "b", b"precious")
    with pytest.raises(InputError, match="exists already"):
        write_files({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_bytes() == b"precious"


def test_links_survive(tmp_path):
    write_file(tmp_path / "real", b"old")
    (tmp_path / "link").symlink_to("real")
    write_file(tmp_path / "link", b"new", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_device_is_written_to_and_never_replaced():
    write_file("/dev/null", b"gone")
    with pytest.raises(InputError, match="No space left"):
        write_file("/dev/full", b"x", overwrite=True)
    for device in ("/dev/null", "/dev/full"):
        assert stat.S_ISCHR(Path(device).stat().st_mode)


@pytest.mark.parametrize("name", ["folder", "missing/file", "file/below", "loop"])
def test_impossible_targets_are_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    before = names(tmp_path)
    with pytest.raises(InputError):
        write_file(tmp_path / name, b"data")
    with pytest.raises(InputError):
        check_target(tmp_path / name)
    assert names(tmp_path) == before


def test_reading_is_limited(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    assert len(read_file(tmp_path / "a", limit=100)) == 100
    with pytest.raises(InputError, match="longer than"):
        read_file(tmp_path / "a", limit=99)
    with pytest.raises(InputError, match="longer than"):
        read_file("/dev/zero", limit=1000)
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="cannot be read"):
            read_file(path, limit=100)
    for path in ("a\0b", "a\udcffb\0"):
        with pytest.raises(InputError, match="is not a path"):
            read_file(path, limit=100)
        with pytest.raises(InputError, match="is not a path"):
            write_file(path, b"")


def test_a_write_that_the_system_cuts_short_leaves_nothing(tmp_path):
    """The kernel refuses to let the file grow beyond 4096 bytes: as on a full disk, EFBIG."""
    write_file(tmp_path / "old", b"precious")
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from wmproof._base.files import write_files\n"
        "from wmproof.errors import InputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "folder = Path(sys.argv[1])\n"
        "try:\n"
        "    write_files({folder / 'new': b'x', folder / 'old': bytes(100000)}, overwrite=True)\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    assert "cannot be written (File too large)" in python(code, tmp_path).stdout
    assert names(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"precious"


def test_a_folder_that_cannot_be_written_is_found_before_the_work(tmp_path):
    check_target(tmp_path / "new")
    assert names(tmp_path) == []
    with pytest.raises(InputError, match="cannot be written"):
        check_target("/proc/new")
