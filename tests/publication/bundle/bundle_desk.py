"""Commands in a folder, run in this process, which has compiled the verifier already."""

import contextlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from json_output import parse_output

from wmproof.cli.app import main

WEAK = ("--minimum-security", "16", "--minimum-strength", "32")


@dataclass(frozen=True)
class Done:
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Desk:
    """A folder with everything in files, and the options of a judge who trusts it."""

    folder: Path
    trust: tuple

    def run(self, *arguments, code=0):
        """Run a command in this process, which has compiled the verifier already."""
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.dict(os.environ, COLUMNS="200"),
            pytest.raises(SystemExit) as ended,
        ):
            main([*map(str, arguments)])
        done = Done(out.getvalue(), err.getvalue())
        assert ended.value.code == code, done
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments, code=0):
        return parse_output(self.run(*arguments, "--json", code=code).stdout)
