"""`wmproof timestamp`, each time in a process of its own."""

from functools import partial

import click
import own_process
import pytest
from json_output import parse_output
from local_calendar import Calendar
from local_server import serving

wmproof = partial(own_process.wmproof, "timestamp")


def said(result, code=0):
    assert (result.returncode, result.stderr) == (code, ""), (result.stdout, result.stderr)
    return parse_output(result.stdout)


def test_a_token(case, tmp_path):
    (tmp_path / "mine.pvk").write_bytes(case.data)
    roots = ("--roots", case.authority.roots)
    reply = "application/timestamp-reply"
    with serving(lambda m, p, body: (200, reply, case.authority.reply(body))) as url:
        made = said(wmproof("rfc3161", "mine.pvk", "--tsa", url, *roots, "--json", cwd=tmp_path))
        again = wmproof("rfc3161", "mine.pvk", "--tsa", url, *roots, cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    token = ("--token", "mine.pvk.tsr", *roots)
    shown = said(wmproof("verify", "mine.pvk", *token, "--json", cwd=tmp_path))
    assert shown["holds"] is True
    same = {"file": "mine.pvk.tsr", "command": made["command"]}
    assert shown | same == made | {"holds": True}
    (tmp_path / "other").write_bytes(b"other")
    other = said(wmproof("verify", "other", *token, "--json", cwd=tmp_path), code=1)
    assert (other["holds"], other["error"]["check"]) == (False, "timestamp-digest")
    assert wmproof("verify", "missing", *token, cwd=tmp_path).returncode == 2


def test_opentimestamps(tmp_path):
    (tmp_path / "mine.pvk").write_bytes(b"a key")
    calendar = Calendar()
    with serving(calendar.answer) as calendar.url:
        at = ("--calendar", calendar.url, "--json")
        said(wmproof("ots", "mine.pvk", *at, cwd=tmp_path))
        assert said(wmproof("upgrade", "mine.pvk.ots", *at, cwd=tmp_path), 1)["blocks"] == []
        calendar.mine(9)
        assert said(wmproof("upgrade", "mine.pvk.ots", *at, cwd=tmp_path))["blocks"] == [9]
    (tmp_path / "headers").write_bytes(calendar.header_file())
    given = ("verify", "mine.pvk", "--ots", "mine.pvk.ots", "--headers", "headers", "--json")
    shown = said(wmproof(*given, "--minimum-difficulty", "1e-10", cwd=tmp_path))
    assert (shown["holds"], shown["block_height"]) == (True, 9)
    assert said(wmproof(*given, cwd=tmp_path), 1)["error"]["check"] == "block-difficulty"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--token", "t"),
        ("--ots", "o"),
        ("--token", "t", "--ots", "o"),
        ("--token", "t", "--roots", "r", "--headers", "h"),
    ],
)
def test_usage(arguments, tmp_path):
    result = wmproof("verify", "f", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "Usage" in result.stderr


def test_every_option_is_documented():
    from wmproof.cli.timestamp import timestamp

    section = (own_process.ROOT / "docs" / "cli.md").read_text().partition("\n## timestamp\n")[2]
    section = section.partition("\n## ")[0]
    for name, command in timestamp.commands.items():
        assert f"`{name} " in section
        for option in command.params:
            if isinstance(option, click.Option):
                assert any(spelled in section for spelled in option.opts), option.opts
