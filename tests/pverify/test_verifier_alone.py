"""Whoever says yes or no imports no prover, no kernel and no compiler, and needs none of them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import wmproof

PACKAGE = Path(wmproof.__file__).parent
JUDGES = (
    "wmproof.pverify.verifier",
    "wmproof.pverify.session",
    "wmproof.verification",
    "wmproof.keys.check",
    "wmproof.publication.bundle.verifier",
    "wmproof.publication.bundle.dispute",
    "wmproof.publication.log.verifier",
    "wmproof.publication.log.audit",
    "wmproof.circuit.compile",
)
FOREIGN = {"numba", "llvmlite", "scipy", "torch", "torchvision", "sklearn", "matplotlib", "ray"}
# The names that modules have which only provers may import.
PROVERS = {"prover", "kernels", "encoder", "matrix", "tree", "trace", "witness", "jit"}
# Without these four, and with everything else.
BLOCKED = """
import sys
for name in ("numba", "llvmlite", "scipy", "torch"):
    sys.modules[name] = None
from wmproof.cli import main
main()
"""


@cache
def source_of(module: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """What runs when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not is_type_checking(child) and not isinstance(child, ast.FunctionDef):
            yield from statements(child)


def imports(module: str) -> set[str]:
    path = source_of(module)
    assert path is not None, module
    found = set()
    for statement in statements(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        else:
            assert statement.module, path
            assert statement.level == 0, path
            found.add(statement.module)
            named = {f"{statement.module}.{alias.name}" for alias in statement.names}
            found |= {name for name in named if source_of(name)}
    parts = module.split(".")
    return found | {".".join(parts[:i]) for i in range(1, len(parts))}


def reached(module: str) -> dict[str, str]:
    """Everything that a module imports, however far away, and who imports it."""
    importers, pending = {module: ""}, [module]
    while pending:
        current = pending.pop()
        if source_of(current) is None:
            continue
        for name in imports(current) - importers.keys():
            importers[name] = current
            pending.append(name)
    return importers


@pytest.mark.parametrize("judge", JUDGES)
def test_a_judge_imports_no_prover_and_no_kernel(judge: str) -> None:
    for name, importer in reached(judge).items():
        parts = name.split(".")
        if parts[0] == "wmproof":
            last = parts[-1]
            named = last in PROVERS and parts[1] in ("argument", "relation", "pverify")
            prover = named or last.endswith("_prover") or "kernels" in parts
            assert not prover, f"{importer} imports {name}"
            assert parts[1:2] not in (["training"], ["experiments"]), f"{importer} imports {name}"
        else:
            assert parts[0] not in FOREIGN, f"{importer} imports {name}"


def test_the_walk_would_find_a_kernel() -> None:
    assert "numba" in reached("wmproof.pverify.prover")
    assert "wmproof.argument.kernels" in reached("wmproof.pverify.prover")


def test_only_provers_modules_import_numba() -> None:
    for path in PACKAGE.rglob("*.py"):
        names = [ast.unparse(statement) for statement in statements(ast.parse(path.read_text()))]
        if any(name.startswith(("from numba", "import numba")) for name in names):
            last = path.stem
            allowed = last in PROVERS or last.endswith("_prover") or "kernels" in path.parts
            assert allowed, path


def alone(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        check=False,
    )


@pytest.mark.parametrize("kind", ["case", "secret_case"])
def test_claims_are_verified_without_a_compiler(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found = request.getfixturevalue(kind)
    key, claim = tmp_path / "key.pub", tmp_path / "a.proof"
    key.write_bytes(found.public.to_bytes())
    claim.write_bytes(found.claim)
    policy = ["--minimum-security", "16", "--minimum-strength", "16"]
    policy += ["--accept-chosen-labels"] if kind == "secret_case" else []
    options = ["--public-key", key, "--proof", claim, *policy]
    yes = alone("pverify", found.marked, *options)
    assert yes.returncode == 0, yes.stderr
    no = alone("pverify", found.unmarked, *options)
    assert no.returncode == 1, no.stderr
    damaged = bytearray(found.claim)
    damaged[-40] ^= 1
    claim.write_bytes(damaged)
    assert alone("pverify", found.marked, *options).returncode == 1
    checked = alone("check-key", key, *policy)
    assert checked.returncode == 0, checked.stderr


def test_proving_says_what_it_needs(case, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("key.mk", "key.pvk", "claim.proof")]
    for path in files[:2]:
        path.write_bytes(b"never read")
    failed = alone(
        "prove", case.marked, "--key", files[0], "--public-key", files[1], "-o", files[2]
    )
    assert failed.returncode == 2
    assert "wmproof[prove]" in failed.stderr
