"""Commands that are given folders, pipes, sockets, devices and huge files: real ones, forked.

`python tests/odd_files.py FOLDER LIMIT_S` reads lines of JSON, each a name of an odd file and the
arguments of a command, runs that in FOLDER, and prints its exit code, its standard error and the
files that it opened to read, as often as it did, as JSON. A pipe gets a writer, or a reader, which
ends at once; into `full` nothing goes before the reader has gone.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import stat
import sys
import time
from pathlib import Path

# Above what imports take of the address space.
ROOM_BYTES = 4 << 30


def make_odd_files(folder: Path) -> None:
    """Make one of each kind, under its name."""
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "full")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))
    with (folder / "sparse").open("wb") as file:
        file.truncate(1 << 40)


def _other_end(pid: int, name: str) -> int:
    """Open a pipe's other end as soon as the process has opened its own, and close it."""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        with contextlib.suppress(OSError):
            os.close(os.open(name, os.O_WRONLY | os.O_NONBLOCK))
        os.close(os.open(name, os.O_RDONLY | os.O_NONBLOCK))
        time.sleep(0.01)


def _filled() -> int:
    """Open the pipe `full` for both, and fill it."""
    pipe = os.open("full", os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, bytes(1 << 16))
    return pipe


def _wait_until_opened(pid: int) -> None:
    """Wait until the process has opened the pipe `full` to write, or has ended."""
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if any(map(_writes_into_full, Path(f"/proc/{pid}/fd").iterdir())):
            return
        time.sleep(0.01)


def _writes_into_full(descriptor: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        only = not descriptor.lstat().st_mode & stat.S_IRUSR  # what it got from us is for both
        return only and descriptor.samefile("full")
    return False


class _Opened:
    """The names by which files are opened to be read."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str) and not int(flags or 0) & (os.O_WRONLY | os.O_RDWR):
                self.names.append(path)


def _run(arguments: list[str], limit: int) -> None:
    from wmproof.cli import main

    code, opened = 99, _Opened()
    sys.addaudithook(opened)
    try:
        os.dup2(os.open("stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + ROOM_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        signal.alarm(limit)
        main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 98
    finally:
        names = list(opened.names)
        Path("opened").write_text(json.dumps(names))
        os._exit(code)


def _main() -> None:
    import onnx  # noqa: F401 - imported once, before all forks
    import onnxruntime  # noqa: F401

    from wmproof.cli.app import cli

    os.chdir(sys.argv[1])
    for line in sys.stdin:
        odd, arguments = json.loads(line)
        with contextlib.suppress(Exception):
            cli.get_command(None, arguments[0])
        sys.stdout.flush()
        Path("opened").write_text("")
        pipe = _filled() if odd == "full" else None
        pid = os.fork()
        if not pid:
            if pipe is not None:
                os.close(pipe)
            _run(arguments, int(sys.argv[2]))
        if pipe is not None:
            _wait_until_opened(pid)
            os.close(pipe)
        if odd in ("pipe", "full"):
            code = _other_end(pid, odd)
        else:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        opened = json.loads(Path("opened").read_text() or "[]")
        print(json.dumps([code, Path("stderr").read_text(), opened]), flush=True)


if __name__ == "__main__":
    _main()
