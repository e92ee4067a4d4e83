"""Calibration: from a float network and public images to scales, tables and the integer circuit.

Layer by layer: a provisional integer map measures the range of each channel over the calibration
images; scales follow from it, and give the numbers that the next layer sees. Sums are integer sums,
so the circuit is the same on every machine. A trial on a few probe pictures comes first: it says
how many bits activations get, and how far the tables of smooth functions have to reach.
"""

from wmproof.circuit.calibrate.calibration import Calibration
from wmproof.circuit.calibrate.settings import Settings
from wmproof.circuit.calibrate.walk import LayerRange

__all__ = ["Calibration", "LayerRange", "Settings"]
