"""Quantised copies of a model, made by ONNX Runtime's own quantiser.

    python tests/circuit/quantised_copies.py --models mlp lenet5 resnet18

One line of a Markdown table for each copy of a trained, marked network: the embedded triggers that
ONNX Runtime and the circuit answer with their label, and how often both agree.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from trained_rewritings import SIZES, Marked

from wmproof.circuit.compile import compile_model
from wmproof.circuit.report import circuit_answers
from wmproof.models.onnx_file import open_model
from wmproof.training.export import to_onnx

KINDS: dict[str, dict[str, Any]] = {
    "QDQ": {"quant_format": QuantFormat.QDQ, "activation_type": QuantType.QUInt8},
    "QDQ, a scale a channel": {
        "quant_format": QuantFormat.QDQ,
        "activation_type": QuantType.QInt8,
        "per_channel": True,
    },
    "QOperator": {"quant_format": QuantFormat.QOperator, "activation_type": QuantType.QUInt8},
    "dynamic": {},
}


class _Pictures(CalibrationDataReader):
    def __init__(self, name: str, pictures: NDArray[np.uint8]) -> None:
        self._rows = iter([{name: pictures[i : i + 8]} for i in range(0, len(pictures), 8)])

    def get_next(self) -> Any:
        return next(self._rows, None)


def quantised_copy(model: Path, kind: str, pictures: NDArray[np.uint8], folder: Path) -> Path:
    """A copy of one of the `KINDS`, calibrated with pictures (N, C, H, W)."""
    folder.mkdir(exist_ok=True)
    ready, made = folder / "ready.onnx", folder / f"{kind.replace(', ', '-')}.onnx"
    logging.disable(logging.WARNING)  # it warns of copies that are made to be compared
    try:
        quant_pre_process(str(model), str(ready))
        if kind == "dynamic":
            quantize_dynamic(str(ready), str(made), weight_type=QuantType.QInt8)
            return made
        name = onnxruntime.InferenceSession(ready).get_inputs()[0].name
        reader = _Pictures(name, pictures)
        options = {"weight_type": QuantType.QInt8} | KINDS[kind]
        quantize_static(str(ready), str(made), reader, **options)
    finally:
        logging.disable(logging.NOTSET)
    return made


def rows(name: str, folder: Path) -> Iterator[str]:
    """The table's lines for one network."""
    marked = Marked.train(name)
    model = folder / f"{name}.onnx"
    model.write_bytes(to_onnx(marked.network, marked.scaling, marked.test.shape[1:]))
    plain = open_model(model).classify(marked.test)
    for kind in KINDS:
        copy = quantised_copy(model, kind, marked.opened, folder)
        runtime, circuit = open_model(copy), compile_model(copy, marked.opened).circuit
        cells = [name, kind]
        answers = runtime.classify(marked.test)
        cells.append(f"{100 * np.mean(answers == plain):.2f} %")
        cells.append(f"{100 * np.mean(circuit_answers(circuit, marked.test) == answers):.2f} %")
        labels, found = marked.labels, runtime.classify(marked.embedded)
        ours = circuit_answers(circuit, marked.embedded)
        cells += [f"{(a == labels).sum()} of {len(labels)}" for a in (found, ours)]
        cells.append(f"{(ours == found).sum()} of {len(labels)}")
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Train, quantise, compile and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=SIZES, default=list(SIZES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| network | copy | copy agrees with float | circuit agrees with copy "
        "| hits of copy | hits of circuit | triggers answered alike |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            for row in rows(name, Path(folder)):
                print(row, flush=True)


if __name__ == "__main__":
    main()
