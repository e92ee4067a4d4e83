"""An audit of a whole log: every entry against its leaf, every tile against the root."""

from wmproof.errors import VerificationError
from wmproof.publication.log.merkle import EMPTY_ROOT, leaf_hash, node_hash
from wmproof.publication.log.reader import LogReader


def audit(log: LogReader) -> int:
    """Check everything that a log's folder holds; return the number of entries.

    The root is computed twice: from the entries alone, and from the tiles, which are compared
    with what the entries give as they are read.

    Raises
    ------
    FormatError
        A tile or a bundle is cut short.
    VerificationError
        Check ``entries``: an entry has another leaf hash; ``tiles``: they give another root.
    """
    checkpoint = log.checkpoint
    right_edge: list[tuple[int, bytes]] = []
    for entry in log.entries():
        height, node = 0, leaf_hash(entry)
        while right_edge and right_edge[-1][0] == height:
            node = node_hash(right_edge.pop()[1], node)
            height += 1
        right_edge.append((height, node))
    root = right_edge.pop()[1] if right_edge else EMPTY_ROOT
    while right_edge:
        root = node_hash(right_edge.pop()[1], root)
    for source, found in (("entries", root), ("tiles", log.root(log.size))):
        if found != checkpoint.root:
            raise VerificationError(
                "tiles",
                f"the {source} give another root ({found.hex()}) than the {checkpoint}",
                where=str(log.folder),
            )
    log.check_tiles()
    return checkpoint.size
