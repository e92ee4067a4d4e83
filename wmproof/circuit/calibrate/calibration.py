"""A trial on a few probe pictures, then the calibration itself."""

from __future__ import annotations

import math

from wmproof.circuit import ir
from wmproof.circuit.balance import LEAST_BITS
from wmproof.circuit.calibrate.settings import Settings, bits_for
from wmproof.circuit.calibrate.walk import LayerRange, Walk
from wmproof.circuit.network import FloatActivation, FloatProduct, Network
from wmproof.circuit.plan import Bytes
from wmproof.circuit.probes import draw_probes
from wmproof.circuit.product_scales import TooFineError
from wmproof.circuit.reach import Reaches
from wmproof.circuit.ties import find_ties

_TRIAL_BITS, _TRIAL_PICTURES = 10, 16


class Calibration:
    """One calibration of a network; `run` gives the circuit and the ranges of its layers.

    Parameters
    ----------
    images : uint8 array (N, C, H, W)
        Public pictures, the probes first.
    """

    def __init__(self, network: Network, images: Bytes, settings: Settings) -> None:
        self._network = network
        self._images = images
        self._settings, self._lookups = settings, _lookups(network)
        self._ties, joined = find_ties(network)
        self._reaches = Reaches(joined)

    def run(self) -> tuple[ir.Circuit, list[LayerRange]]:
        """Try a few pictures, then calibrate with all."""
        bits, settings = self._settings.bits, self._settings.for_lookups(self._lookups)
        if bits is None or settings is not self._settings:
            few = draw_probes(_TRIAL_PICTURES, self._network.shapes[0])
            trial, tried = self._fitting(few, bits or _TRIAL_BITS, settings), settings
            if settings is not self._settings:
                settings = self._settings.filled(bits_for(self._lookups, trial.long_tables()))
            bits = bits or trial.best_bits(settings.shift - tried.shift)
        return self._fitting(self._images, bits, settings).result()

    def _fitting(self, images: Bytes, bits: int, settings: Settings) -> Walk:
        """A walk with so many bits or as many fewer as products need that fit their tables."""
        while True:
            try:
                return self._settled(images, bits, settings)
            except TooFineError:
                if bits == LEAST_BITS or self._settings.bits is not None:
                    raise
                bits -= 1

    def _settled(self, images: Bytes, bits: int, settings: Settings) -> Walk:
        """A walk in which no table grew that smooth functions share where their numbers meet."""
        while True:
            before = dict(self._reaches.known)
            walk = Walk(self._network, images, settings, bits, self._reaches, self._ties)
            walk.run()
            if before == self._reaches.known:
                return walk


def _lookups(network: Network) -> int:
    """Of one image."""
    nodes = zip(network.nodes, network.shapes, strict=True)
    kinds = FloatActivation | FloatProduct | ir.Maximum
    return sum(math.prod(shape) for node, shape in nodes if isinstance(node, kinds))
