"""`wmproof log`: the transparency log's commands."""

from wmproof.cli.log.group import log

__all__ = ["log"]
