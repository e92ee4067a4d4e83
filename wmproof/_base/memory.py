"""How much memory this process holds, and how much more the machine can give it."""

from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
# Limit, use, and what of it are files that can be read again: version 2 and version 1 of cgroups.
_UNIFIED = "memory.max", "memory.current", "inactive_file"
_SEPARATE = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"


def resident_bytes() -> int | None:
    """Memory that this process holds now; None without psutil, of the extra `prove`."""
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.Process().memory_info().rss)


def available_bytes() -> int | None:
    """The most that this process may hold in all without swapping, if that can be known.

    The machine's free memory, or what is left of the limit that a container or a batch system sets.
    """
    try:
        import psutil
    except ImportError:
        return None
    free = [int(psutil.virtual_memory().available), *_left_by_cgroups()]
    return int(psutil.Process().memory_info().rss) + max(0, min(free))


def _left_by_cgroups() -> Iterator[int]:
    """Bytes that each control group of this process, and each above it, still gives.

    Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst. Nothing elsewhere.
    """
    try:
        lines = _MEMBERSHIP.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        own = root / path.lstrip("/")
        # In a container the path may be the host's, and only the root is seen.
        for folder in (own, *own.parents):
            if folder.is_relative_to(root):
                yield from _left(folder, *(_SEPARATE if controllers else _UNIFIED))


def _left(folder: Path, limit: str, used: str, inactive: str) -> Iterator[int]:
    try:
        most, now = (int((folder / name).read_text()) for name in (limit, used))
        stat = (folder / "memory.stat").read_text().split()
        yield most - now + int(stat[stat.index(inactive) + 1])
    except (OSError, ValueError):  # no such group here, or "max", which is no limit
        return
