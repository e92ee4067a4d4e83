"""Proves one inference with a peer; runs under the Python of the environment that has it.

`PYTHON peer_driver.py ezkl|jstprove MODEL.onnx INPUT.json FOLDER`; prints one JSON object a step:
wall and CPU seconds, those of other processes that the step starts included. It imports nothing of
this project. ezkl's structured reference string is made here (`gen_srs`), which nobody should trust
and which costs the same proof.
"""

import asyncio
import inspect
import json
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def _cpu() -> float:
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _finished(result: Any) -> Any:
    async def wait() -> Any:
        return await result

    return asyncio.run(wait()) if inspect.isawaitable(result) else result


def _step(name: str, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    wall, cpu = time.perf_counter(), _cpu()
    result = _finished(work(*arguments, **options))
    figures = {"step": name, "wall": time.perf_counter() - wall, "cpu": _cpu() - cpu}
    print(json.dumps(figures), flush=True)
    return result


def _ezkl(model: str, data: str, folder: Path) -> Path:
    import ezkl

    settings, compiled, srs, vk, pk, witness, proof = (
        str(folder / name)
        for name in ("settings", "compiled", "srs", "vk", "pk", "witness", "proof")
    )
    run = ezkl.PyRunArgs()
    run.input_visibility, run.param_visibility, run.output_visibility = "private", "fixed", "public"

    def prepare() -> None:
        _finished(ezkl.gen_settings(model, settings, py_run_args=run))
        _finished(ezkl.calibrate_settings(data, model, settings, "resources"))
        ezkl.compile_circuit(model, compiled, settings)
        logrows = json.loads(Path(settings).read_text())["run_args"]["logrows"]
        ezkl.gen_srs(srs, logrows)
        ezkl.setup(compiled, vk, pk, srs)

    _step("prepare", prepare)
    _step("witness", lambda: ezkl.gen_witness(data, compiled, witness))
    _step("prove", lambda: ezkl.prove(witness, compiled, pk, proof, srs_path=srs))
    if not _step("verify", lambda: ezkl.verify(proof, settings, vk, srs_path=srs)):
        raise SystemExit("ezkl does not verify its own proof")
    return Path(proof)


def _jstprove(model: str, data: str, folder: Path) -> Path:
    from python.frontend.cli import main

    names = {"-c": "circuit.txt", "-i": data, "-o": "output.json", "-w": "witness", "-p": "proof"}
    paths = {flag: str(folder / name) for flag, name in names.items()}
    paths["-m"] = model

    def run(command: str, flags: str) -> None:
        chosen = [part for flag in flags.split() for part in (flag, paths[flag])]
        if main(["--no-banner", command, *chosen]):
            raise SystemExit(f"JSTprove's {command} fails")

    _step("prepare", run, "compile", "-m -c")
    _step("witness", run, "witness", "-c -i -o -w")
    _step("prove", run, "prove", "-c -w -p")
    _step("verify", run, "verify", "-c -i -o -w -p")
    return folder / "proof"


def main(peer: str, model: str, data: str, folder: str) -> None:
    package, run = {"ezkl": ("ezkl", _ezkl), "jstprove": ("JSTprove", _jstprove)}[peer]
    proof = run(model, data, Path(folder))
    last = {"version": version(package), "proof_bytes": proof.stat().st_size}
    print(json.dumps(last), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
