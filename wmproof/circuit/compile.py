"""The public deterministic compiler: ONNX classifier + public images -> integer circuit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.calibrate import Calibration, LayerRange, Settings
from wmproof.circuit.format import digest
from wmproof.circuit.frontend.load import open_graph, read_model
from wmproof.circuit.frontend.translate import translate
from wmproof.circuit.limits import check_image_array
from wmproof.circuit.plan import Bytes
from wmproof.circuit.probes import draw_probes
from wmproof.errors import InputError

PIXEL_SCALES = {"raw": 1.0, "unit": 1 / 255}


@dataclass(frozen=True, eq=False)
class Compilation:
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


def compile_model(
    model: Path | bytes,
    calibration: Bytes,
    *,
    settings: Settings | None = None,
    pixels: str = "raw",
) -> Compilation:
    """Compile an ONNX classifier; the same arguments give the same circuit on every machine.

    Parameters
    ----------
    model : Path or bytes
        The ONNX file or its content. Its input is (N, C, H, W), uint8 or float, N open or not.
    calibration : uint8 array (N, C, H, W)
        Public images, such as the opened triggers of a public key. The compiler adds its own
        probe pictures to them.
    settings : Settings, optional
        Numbers that the compiler may choose; they are part of what must be published.
    pixels : str
        What a float model takes: 'raw' for 0..255, 'unit' for 0..1. A uint8 model takes 'raw'.

    Returns
    -------
    Compilation

    Raises
    ------
    InputError
        If the file is not a usable ONNX classifier, the images do not fit it, or a layer has no
        exact integer form within the limits.
    """
    graph = open_graph(read_model(model))
    if pixels not in PIXEL_SCALES:
        raise InputError(f"pixels = {pixels!r}", remedy=f"Choose one of {sorted(PIXEL_SCALES)}")
    if graph.takes_bytes and pixels != "raw":
        raise InputError(
            "the model takes uint8 pixels, which are raw",
            where=f"input {graph.input_name}",
            remedy="Leave the pixel range at 'raw'",
        )
    check_image_array(calibration, graph.input_shape)
    chosen = settings or Settings()
    images = np.concatenate([draw_probes(chosen.probes, graph.input_shape), calibration])
    # What overflows is found by the checks of the integer form, with a better message.
    with np.errstate(over="ignore", invalid="ignore"):
        network = translate(graph, PIXEL_SCALES[pixels])
        circuit, layers = Calibration(network, images, chosen).run()
    return Compilation(circuit, tuple(layers), chosen)


def model_input_shape(model: Path | bytes) -> ir.Shape:
    """(C, H, W) of the images that an ONNX classifier takes; errors as `compile_model`."""
    return open_graph(read_model(model)).input_shape
