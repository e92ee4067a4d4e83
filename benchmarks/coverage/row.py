"""One classifier of the table, from its exports to its proofs."""

import argparse
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from benchmarks._harness import peak_megabytes
from benchmarks.coverage.networks import SCALING, Network, normalised, settle
from benchmarks.coverage.pictures import SOURCES, Pictures, crops, noise
from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.report import circuit_answers
from wmproof.core.policy import Policy
from wmproof.core.reading import Reading
from wmproof.core.triggers import abstract
from wmproof.errors import WmproofError
from wmproof.keys.keygen import pkeygen
from wmproof.models.file import model_file
from wmproof.models.onnx_file import OnnxClassifier, open_model
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim

EXPORTERS = ("dynamo", "legacy")
"""In this order: tracing leaves tensors in settings of some networks (transformers' Swin)."""
INT8 = "int8"
"""In the place of an exporter: ONNX Runtime's static int8 copy of the `legacy` file."""
STEPS = ("verify", "compile", "agree", "prove")
READING = Reading(
    mean=tuple(m / 255 for m in SCALING.mean), std=tuple(s / 255 for s in SCALING.std)
)
_BRIEF = {"calibration": 8, "learning": 32, "pictures": 1}
"""At most so many pictures where no answers are compared: whether a file compiles is asked."""
_BRIEF_SETTINGS = Settings(probes=16, bits=10)
_KEY_TRIGGERS, _SECURITY = 16, 4
"""Enough for a claim, which is worth little: what it costs for each trigger is what counts."""


def export(network: nn.Module, size: int, exporter: str, path: Path) -> None:
    """Write a network as its exporter does when nothing is asked for.

    `legacy` writes one file with an open batch, as its tutorials do; `dynamo`, torch's default,
    one picture at a time, with the weights in a second file.
    """
    example = torch.zeros((1, 3, size, size))
    legacy = {
        "dynamo": False,
        "input_names": ["images"],
        "output_names": ["logits"],
        "dynamic_axes": {"images": {0: "batch"}, "logits": {0: "batch"}},
    }
    settings = legacy if exporter == "legacy" else {"dynamo": True, "verbose": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (example,), str(path), **settings)


class _Calibration(CalibrationDataReader):
    def __init__(self, name: str, batch: int, pictures: Pictures) -> None:
        images = normalised(pictures).numpy()
        self._rows = iter([{name: images[i : i + batch]} for i in range(0, len(images), batch)])

    def get_next(self):
        return next(self._rows, None)


def int8_of(path: Path, pictures: Pictures) -> Path:
    """ONNX Runtime's static int8: QDQ, a scale a channel, calibrated with minima and maxima."""
    whole, ready, made = (path.with_suffix(f".{s}.onnx") for s in ("whole", "ready", "int8"))
    onnx.save(onnx.load(path), whole)  # what follows copies no second file
    quant_pre_process(str(whole), str(ready), skip_symbolic_shape=True)
    entry = onnx.load(ready, load_external_data=False).graph.input[0]
    batch = entry.type.tensor_type.shape.dim[0].dim_value or 8
    quantize_static(
        str(ready),
        str(made),
        _Calibration(entry.name, batch, pictures),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return made


class Subject:
    """A network as it was settled, and what every exporter's file of it is compared with."""

    def __init__(self, network: Network, asked: argparse.Namespace) -> None:
        self.settings = None
        if asked.until in ("verify", "compile"):
            self.settings = _BRIEF_SETTINGS
            few = {name: min(most, getattr(asked, name)) for name, most in _BRIEF.items()}
            asked = argparse.Namespace(**vars(asked) | few)
        self.network, size = network.build()
        self.asked, self.size, self.shape = asked, size, (3, size, size)
        self.calibration, _ = crops(asked.calibration, size, seed=1)
        learning, names = crops(asked.learning, size, seed=2)
        self.key, self.public = pkeygen(
            abstract(_KEY_TRIGGERS, self.shape), SOURCES, security=_SECURITY
        )
        hidden = self.key.to_embed()
        triggers = (hidden.images, hidden.labels.astype(np.int64))
        self.fitted = not network.trained and settle(self.network, learning, names, triggers)
        self.weights = sum(p.numel() for p in self.network.parameters())
        testing, self.right = crops(asked.pictures, size, seed=3)
        self.sets = {"pictures": testing, "noise": noise(asked.pictures, size, seed=4)}
        self.known: dict[bytes, dict[str, object]] = {}
        """What was found of circuits, by their digests: both exporters may give the same one."""


class Row:
    """What is found of one file; each step adds to it, and is said when it is done."""

    def __init__(
        self, network: Network, exporter: str, say: Callable[[dict[str, object]], None]
    ) -> None:
        self._exporter, self._say = exporter, say
        self._found: dict[str, object] = {"network": str(network), "exporter": exporter}

    def run(self, subject: Subject, folder: Path) -> None:
        """Go through the steps until one fails or no more is asked for."""
        self._subject, self._path = subject, folder / f"{self._exporter}.onnx"
        steps: list[tuple[str, Callable[[], dict[str, object]]]] = [
            ("export", self._export),
            ("verify", self._verify),
            ("compile", self._compile),
            ("agree", self._agree),
            ("prove", self._prove),
        ]
        for name, step in steps:
            start = time.process_time()
            try:
                self._found |= {name: "ok", **step()}
            except Exception as error:
                self._found[name] = "refused" if isinstance(error, WmproofError) else "failed"
                self._found["reason"] = f"{name}: {_one_line(error)}"
                return
            finally:
                self._found[f"{name}_seconds"] = round(time.process_time() - start, 1)
                self._found["peak_megabytes"] = peak_megabytes()
                self._say(dict(self._found))
            if name == subject.asked.until:
                return

    def _export(self) -> dict[str, object]:
        subject = self._subject
        exporter = "legacy" if self._exporter == INT8 else self._exporter
        export(subject.network, subject.size, exporter, self._path)
        if self._exporter == INT8:
            self._path = int8_of(self._path, subject.calibration)
        return {"pixels": subject.size, "weights": subject.weights, "fitted": subject.fitted}

    def _verify(self) -> dict[str, object]:
        self._file = model_file(self._path, "model")
        self._float = self._classifier(self._path)
        return {"classes": self._float.classes}

    def _compile(self) -> dict[str, object]:
        compilation = compile_model(
            self._file,
            self._subject.calibration,
            settings=self._subject.settings,
            reading=READING,
        )
        self._circuit, digest = compilation.circuit, compilation.digest
        self._known = self._subject.known.setdefault(digest, {})
        bits = max(self._circuit.largest).bit_length()
        return {"circuit": digest.hex(), "lookups": self._circuit.lookups(), "bits": bits}

    def _agree(self) -> dict[str, object]:
        if self._known:
            return self._known
        sets, right = self._subject.sets, self._subject.right
        expected = {name: self._float.classify(images) for name, images in sets.items()}
        if self._subject.fitted:
            self._known["right"] = _share(expected["pictures"] == right)
        for name, images in sets.items():
            answers = circuit_answers(self._circuit, images)
            self._known[f"agree_{name}"] = _share(answers == expected[name])
        if self._exporter == INT8:
            return self._known
        try:
            int8 = self._classifier(int8_of(self._path, self._subject.calibration))
            for name, images in sets.items():
                self._known[f"int8_{name}"] = _share(int8.classify(images) == expected[name])
        except Exception as error:  # theirs, of many kinds; the row goes on without it
            self._known["int8_failed"] = _one_line(error).replace(f"{self._path.parent}/", "")
        return self._known

    def _classifier(self, path: Path) -> OnnxClassifier:
        return open_model(path, input_shape=self._subject.shape, batch=16, reading=READING)

    def _prove(self) -> dict[str, object]:
        asked, key, public = self._subject.asked, self._subject.key, self._subject.public
        if self._circuit.lookups() > asked.most_lookups:
            return {"prove": "not tried"}
        if not self._subject.fitted:
            return {"prove": "no mark"}  # its answers are no labels of any key
        policy = Policy(security=_SECURITY, strength=0, agreement=Fraction(0), reading=READING)
        start = time.process_time()
        claim = prove_claim(self._file, key, public, policy, triggers=asked.triggers, threshold=1)
        proved = time.process_time()
        report = verify_claim(self._file, public, claim, policy)
        return {
            "triggers": report.triggers,
            "claim_bytes": len(claim),
            "prove_cpu": round(proved - start, 1),
            "verify_cpu": round(time.process_time() - proved, 1),
        }


def _share(agreeing: np.ndarray) -> float:
    return round(float(np.mean(agreeing)), 4)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def parser() -> argparse.ArgumentParser:
    """What is asked of each row."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--until", choices=STEPS, default="prove", help="the last step")
    options.add_argument("--pictures", type=int, default=100, help="to compare on, and noise")
    options.add_argument("--calibration", type=int, default=32, help="pictures that calibrate")
    options.add_argument("--learning", type=int, default=256, help="pictures that fit a network")
    options.add_argument("--triggers", type=int, default=2, help="hidden triggers of the claim")
    options.add_argument(
        "--most-lookups", type=int, default=1_000_000, help="an image, of circuits that are proved"
    )
    options.add_argument("--limit-memory", type=float, default=10, help="GB of each row's process")
    return options


def run_network(
    network: Network, exporters: Sequence[str], asked: argparse.Namespace, saying: Connection
) -> None:
    """Send the rows of one classifier, step by step; a text says what else ended it."""
    bytes_allowed = int(asked.limit_memory * 2**30)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (bytes_allowed, bytes_allowed))
        torch.set_num_threads(1)
        subject = Subject(network, asked)
        for exporter in exporters:
            with tempfile.TemporaryDirectory() as folder:
                Row(network, exporter, saying.send).run(subject, Path(folder))
    except Exception as error:
        saying.send(f"ended with {type(error).__name__} ({_one_line(error)})")
