"""The last part of `wmproof demo`: the claim in zero knowledge, and what does not pass for one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmproof._base.files import write_file
from wmproof.cli.output import console, print_fields, print_verdict
from wmproof.errors import InputError, VerificationError, WmproofError
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
    two_faced_refused: bool

    @property
    def as_promised(self) -> bool:
        """Whether what should hold holds, and nothing else."""
        refused = self.unmarked_refused and self.tampered_rejected and self.two_faced_refused
        return self.verified and refused


def print_title(text: str) -> None:
    """Print a heading."""
    console().print(f"\n[bold]{text}[/bold]", soft_wrap=True)


def _note(text: str) -> None:
    console().print(text, style="dim", soft_wrap=True)


class Kernels:
    """Compiles the prover's kernels in another process while keys are made and models trained.

    Attributes
    ----------
    waited : float
        Seconds that the demo stood still for it: nothing, but the first time on a machine.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-m", "wmproof.pverify.warm_up"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._started = time.monotonic()
        self.waited = 0.0

    def __enter__(self) -> Kernels:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def wait(self) -> None:
        """Wait until they are there; should that process fail, the proof compiles them itself."""
        if self._process.poll() is not None:
            return
        started = time.monotonic()
        _note(
            "another process compiles the prover's kernels, once on this machine, and has worked "
            f"on it for {started - self._started:.0f} s"
        )
        self._process.wait()
        self.waited = time.monotonic() - started
        _note(f"they took {time.monotonic() - self._started:.0f} s in all")


def show_claim(out: Path, key: MarkingKey, public: PublicKey, kernels: Kernels) -> ZeroKnowledge:
    """Prove, have another process verify, and show that no false claim comes through."""
    print_title("8. The claim in zero knowledge")
    kernels.wait()
    claim = prove_claim(out / "marked.onnx", key, public)
    write_file(out / "claim.proof", claim, overwrite=True)
    print_fields({"publish": f"{out / 'claim.proof'}, {len(claim)} bytes"})

    print_title("9. Another process verifies it: it has the model, the public key and the claim")
    report = _verify_elsewhere(out)
    print_verdict(report["holds"], report.get("what", "the claim holds"))

    print_title(
        "10. An unmarked model, a claim with one changed byte, and a file with two meanings"
    )
    tampered = bytearray(claim)
    tampered[len(claim) // 2] ^= 1
    return ZeroKnowledge(
        report["holds"],
        report.get("security_bits", 0.0),
        len(claim),
        _refused(VerificationError, prove_claim, out / "independent.onnx", key, public),
        _refused(VerificationError, verify_claim, out / "marked.onnx", public, bytes(tampered)),
        _refused(InputError, prove_claim, _two_faced(out / "marked.onnx"), key, public),
    )


def _refused(kind: type[WmproofError], attempt: Callable[..., object], *arguments: Any) -> bool:
    """Whether what must not pass is refused by an error of this kind, which is printed."""
    try:
        attempt(*arguments)
    except kind as error:
        print_verdict(True, f"refused: {error.what}")
        return True
    print_verdict(False, "refused: nothing")
    return False


def _two_faced(path: Path) -> bytes:
    """Hide a function with the name of a built-in operator in a model.

    ONNX Runtime ignores it. Who followed it would prove something about another network.
    """
    import onnx
    from onnx import helper

    model = onnx.load(str(path))
    name = model.graph.node[-1].op_type
    inputs = [f"x{i}" for i in range(len(model.graph.node[-1].input))]
    body = [helper.make_node("Identity", inputs[:1], ["y"])]
    imports = [helper.make_opsetid("", model.opset_import[0].version)]
    model.functions.append(helper.make_function("", name, inputs, ["y"], body, imports))
    content: bytes = model.SerializeToString()
    return content


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
