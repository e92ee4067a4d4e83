"""The public deterministic compiler: ONNX classifier + public images -> integer circuit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.calibrate import Calibration, LayerRange, Settings
from wmproof.circuit.format import digest
from wmproof.circuit.frontend.load import open_graph
from wmproof.circuit.frontend.translate import translate
from wmproof.circuit.limits import check_image_array
from wmproof.circuit.network import Network
from wmproof.circuit.plan import Bytes
from wmproof.circuit.probes import draw_probes
from wmproof.circuit.rounding import check_scores
from wmproof.core.reading import Reading, as_reading
from wmproof.core.shown import Report
from wmproof.models.file import ModelSource

MOST_OPENED = 64
"""Opened triggers of a key that calibrate its circuits: the first ones; more say little more."""


@dataclass(frozen=True, eq=False)
class Compilation(Report):
    """A compiled circuit and what calibration saw.

    Parameters
    ----------
    circuit : Circuit
    layers : tuple of LayerRange
        One for each activation layer, in order, and one for the logits.
    settings : Settings
    """

    circuit: ir.Circuit
    layers: tuple[LayerRange, ...]
    settings: Settings

    @property
    def digest(self) -> bytes:
        """SHA-256 of the circuit's canonical file."""
        return digest(self.circuit)

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it, without the circuit itself."""
        circuit = self.circuit
        return {
            "circuit_sha256": self.digest.hex(),
            "input_shape": list(circuit.input_shape),
            "classes": circuit.classes,
            "lookups": circuit.lookups(),
            "weights": circuit.weights(),
            "tables": {table.name: table.bits for table in circuit.tables},
            "settings": asdict(self.settings),
        }


def compile_model(
    model: ModelSource,
    calibration: Bytes,
    *,
    settings: Settings | None = None,
    pixels: str = "raw",
    reading: Reading | None = None,
) -> Compilation:
    """Compile an ONNX classifier; the same arguments give the same circuit on every machine.

    Parameters
    ----------
    model : ModelFile, Path or bytes
        The ONNX file, or its content if it names no other files. It takes uint8 or float pictures,
        one or any fixed number at a time, or any number.
    calibration : uint8 array (N, C, H, W)
        Public images, such as the opened triggers of a public key. The compiler adds its own
        probe pictures to them.
    settings : Settings, optional
        Numbers that the compiler may choose; they are part of what must be published.
    pixels : str
        What a float model takes: 'raw' for 0..255, 'unit' for 0..1. A uint8 model takes 'raw'.
    reading : Reading, optional
        That and all else that the file does not say.

    Raises
    ------
    InputError
        If the file is not a usable ONNX classifier, the images do not fit it, or a layer has no
        exact integer form within the limits.
    """
    known = calibration.shape[1:] if calibration.ndim == 4 else None
    network = open_network(model, as_reading(pixels, reading), known)
    return compile_network(network, calibration, settings)


def open_network(model: ModelSource, reading: Reading, known: ir.Shape | None = None) -> Network:
    """The float network of a classifier, by itself: a graph's constants are as large as the file.

    Parameters
    ----------
    model : ModelFile, Path or bytes
    reading : Reading
    known : tuple of int, optional
        Shape of the pictures that are to go in, where the file leaves it open.

    Raises
    ------
    InputError
        As `compile_model`.
    """
    # What overflows is found by the checks of the integer form, with a better message.
    with np.errstate(over="ignore", invalid="ignore"):
        return translate(open_graph(model, reading, known))


def compile_network(
    network: Network, calibration: Bytes, settings: Settings | None = None
) -> Compilation:
    """Compile a classifier that was opened before; as `compile_model`.

    Raises
    ------
    InputError
        As `compile_model`.
    """
    shape = network.shapes[0]
    check_image_array(calibration, shape)
    chosen = settings or Settings()
    images = np.concatenate([draw_probes(chosen.probes, shape), calibration])
    with np.errstate(over="ignore", invalid="ignore"):  # as in `open_network`
        circuit, layers = Calibration(network, images, chosen).run()
    if network.squashed:
        check_scores(
            network.squashed, circuit.output, circuit.largest, layers[-1].scale, layers[-1].real
        )
    return Compilation(circuit, tuple(layers), chosen)
