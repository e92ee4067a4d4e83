"""The last part of `wmproof demo`: the claim in zero knowledge, and what does not pass for one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmproof._files import write_file
from wmproof.cli.output import console, print_checks, print_fields, print_verdict
from wmproof.errors import InputError, VerificationError
from wmproof.keys import MarkingKey, PublicKey
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim


@dataclass(frozen=True)
class ZeroKnowledge:
    """How the claim in zero knowledge came out."""

    verified: bool
    security_bits: float
    bytes: int
    unmarked_refused: bool
    tampered_rejected: bool

    @property
    def as_promised(self) -> bool:
        """Whether what should hold holds, and nothing else."""
        return self.verified and self.unmarked_refused and self.tampered_rejected


class Narrator:
    """Prints for people, or nothing."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet

    def title(self, text: str) -> None:
        """Print a heading."""
        if not self.quiet:
            console().print(f"\n[bold]{text}[/bold]", soft_wrap=True)

    def fields(self, fields: dict[str, object]) -> None:
        """Print names and values."""
        if not self.quiet:
            print_fields(fields)

    def checks(self, checks: Any) -> None:
        """Print checks."""
        if not self.quiet:
            print_checks(checks)

    def verdict(self, holds: bool, what: str) -> None:
        """Print an answer."""
        if not self.quiet:
            print_verdict(holds, what)


def show_claim(out: Path, key: MarkingKey, public: PublicKey, say: Narrator) -> ZeroKnowledge:
    """Prove, have another process verify, and show that no false claim comes through."""
    say.title("8  The claim in zero knowledge (the first one on a machine compiles for a minute)")
    claim = prove_claim(out / "marked.onnx", key, public)
    write_file(out / "claim.proof", claim, overwrite=True)
    say.fields({"publish": f"{out / 'claim.proof'}, {len(claim)} bytes"})

    say.title("9  Another process verifies it: it has the model, the public key and the claim")
    report = _verify_elsewhere(out)
    say.verdict(report["holds"], report.get("what", "the claim holds"))

    say.title("10  An unmarked model, and a claim with one changed byte")
    refused = rejected = "nothing"
    try:
        prove_claim(out / "independent.onnx", key, public)
    except InputError as error:
        refused = error.what
    say.verdict(refused != "nothing", f"refused: {refused}")
    tampered = bytearray(claim)
    tampered[len(claim) // 2] ^= 1
    try:
        verify_claim(out / "marked.onnx", public, bytes(tampered))
    except VerificationError as error:
        rejected = str(error)
    say.verdict(rejected != "nothing", f"rejected: {rejected}")
    return ZeroKnowledge(
        report["holds"],
        report.get("security_bits", 0.0),
        len(claim),
        refused != "nothing",
        rejected != "nothing",
    )


def _verify_elsewhere(out: Path) -> dict[str, Any]:
    """Run `wmproof pverify` in a folder with nothing but the three public files."""
    names = ("marked.onnx", "owner.pvk", "claim.proof")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            shutil.copy(out / name, folder)
        model, key, claim = (str(Path(folder) / name) for name in names)
        command = [sys.executable, "-m", "wmproof", "pverify", model, "--public-key", key]
        done = subprocess.run(
            [*command, "--proof", claim, "--json"], capture_output=True, text=True, check=False
        )
    if not done.stdout:
        return {"holds": False, "what": done.stderr.strip()}
    report: dict[str, Any] = json.loads(done.stdout)
    if "error" in report:
        return {"holds": False, "what": report["error"]["what"]}
    return report
