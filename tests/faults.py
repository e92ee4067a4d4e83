"""Every call that changes the file system is made to fail, or is the last: real commands, forked.

`python tests/faults.py FOLDER OUT MOST MODULES ARGUMENTS...` runs a command of wmproof on a copy of
FOLDER once for each such call: with SIGKILL before it, and with a disk that is full from it on. A
copy of what is left then sees the command again, undisturbed. At most MOST calls are chosen,
evenly, 0 for all; MODULES (with commas) are imported once, before all forks. The copies stay in
OUT, and a line of JSON on standard output says of each what came of it.

The calls are those that Python's audit hooks see (open for writing, rename, link, remove, mkdir,
rmdir, chmod, truncate), `os.write`, `os.pwrite` and `os.fsync`. Test modules use `outcomes`; with
FAULTS=all in the environment nothing is left out.
"""

import errno
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KILL, FULL = "kill", "full"
_EVENTS = {
    f"os.{name}" for name in ["rename", "link", "remove", "mkdir", "rmdir", "truncate", "chmod"]
}
# What a full disk does not refuse.
_FREEING = {"os.remove", "os.rename", "os.rmdir", "os.chmod"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """What came of a command that was disturbed at one call."""

    kind: str
    place: int
    call: str
    code: int
    errors: str
    folder: Path
    again: Path
    again_code: int
    again_errors: str


def outcomes(
    arguments: list[str],
    *,
    folder: Path,
    out: Path,
    env: dict[str, str] | None = None,
    most: int = 0,
    modules: tuple[str, ...] = (),
) -> list[Outcome]:
    """Disturb a command, in copies of `folder`, at each of its calls or at `most` of them."""
    most = 0 if os.environ.get("FAULTS") == "all" else most
    chosen = [str(folder), str(out), str(most), ",".join(modules)]
    done = subprocess.run(
        [sys.executable, __file__, *chosen, *arguments],
        env=os.environ | {"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    paths = ("folder", "again")
    return [Outcome(**one | {name: Path(one[name]) for name in paths}) for one in found]


class Disturbance:
    """Counts calls; at number `place` it strikes. The place 0 never comes."""

    def __init__(self, kind: str, place: int, record: Path) -> None:
        self._kind, self._place, self._record = kind, place, record
        self._calls: list[str] = []
        self._write, self._pwrite, self._fsync = os.write, os.pwrite, os.fsync
        self._busy = False

    def install(self) -> None:
        sys.addaudithook(self._hook)
        os.write, os.pwrite, os.fsync = self._on_write, self._on_pwrite, self._on_fsync

    def save(self) -> None:
        self._busy = True
        self._record.write_text(json.dumps(self._calls))

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._busy:
            return
        if event == "open":
            path, _, flags = arguments
            device = isinstance(path, str) and path.startswith(("/dev/", "/proc/"))
            if isinstance(path, str | bytes) and not device and int(flags or 0) & _WRITING:
                self._call("open")
        elif event in _EVENTS:
            self._call(event)

    def _on_write(self, descriptor: int, data: bytes) -> int:
        if descriptor <= 2:
            return self._write(descriptor, data)
        return self._write(descriptor, self._taken(data))

    def _on_pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        return self._pwrite(descriptor, self._taken(data), offset)

    def _taken(self, data: bytes) -> bytes | memoryview:
        """What of the data fits: a disk that becomes full takes a part."""
        try:
            self._call("write")
        except OSError:
            if self._place == len(self._calls) and len(data) > 1:
                return memoryview(data)[: len(data) // 2]
            raise
        return data

    def _on_fsync(self, descriptor: int) -> None:
        self._call("fsync")
        self._fsync(descriptor)

    def _call(self, name: str) -> None:
        self._calls.append(name)
        if self._kind == KILL and len(self._calls) == self._place:
            os.kill(os.getpid(), signal.SIGKILL)
        full = self._kind == FULL and 0 < self._place <= len(self._calls)
        if full and name not in _FREEING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _attempt(
    kind: str, place: int, pristine: Path, out: Path, arguments: list[str]
) -> tuple[int, str, Path]:
    """Run in a copy of a folder; return the exit code, the standard error and the copy."""
    name = f"{kind}-{place}"
    folder = out / name
    shutil.copytree(pristine, folder, symlinks=True)
    errors, record = out / f"{name}.stderr", out / f"{name}.calls"
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        _run(Disturbance(kind, place, record), folder, errors, arguments)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code, errors.read_text(), folder


def _disturbed(
    kind: str, place: int, call: str, pristine: Path, out: Path, arguments: list[str]
) -> Outcome:
    code, errors, folder = _attempt(kind, place, pristine, out, arguments)
    again = _attempt(f"{kind}-again", place, folder, out, arguments)
    if again[0] == 2 and "--force" in again[1]:
        again = _attempt(f"{kind}-force", place, folder, out, [*arguments, "--force"])
    return Outcome(kind, place, call, code, errors, folder, again[2], again[0], again[1])


def _run(disturbance: Disturbance, folder: Path, errors: Path, arguments: list[str]) -> None:
    from wmproof.cli import main

    code = 99
    try:
        os.chdir(folder)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT, 0o600), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        disturbance.install()
        main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 98
    finally:
        disturbance.save()
        os._exit(code)


def _sample(count: int, most: int) -> list[int]:
    """The first and the last of so many places, and others between them, evenly."""
    if not most or count <= most:
        return list(range(1, count + 1))
    if most == 1:
        return [(count + 1) // 2]
    return sorted({1 + round(i * (count - 1) / (most - 1)) for i in range(most)})


def _main() -> None:
    pristine, out, most, modules, *arguments = sys.argv[1:]
    from wmproof.cli.app import cli

    cli.get_command(None, arguments[0])  # imported once, before all forks
    for module in filter(None, modules.split(",")):
        importlib.import_module(module)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    if modules:  # what is compiled and cached at the first time is no call of the command
        _attempt("warm", 0, Path(pristine), folder, arguments)
    code, errors, _ = _attempt("count", 0, Path(pristine), folder, arguments)
    assert code in (0, 1), errors
    calls = json.loads((folder / "count-0.calls").read_text())
    for kind in (KILL, FULL):
        for place in _sample(len(calls), int(most)):
            one = _disturbed(kind, place, calls[place - 1], Path(pristine), folder, arguments)
            print(json.dumps(vars(one), default=str), flush=True)


if __name__ == "__main__":
    _main()
