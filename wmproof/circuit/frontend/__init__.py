"""From an ONNX file to the float network that calibration turns into a circuit."""

from wmproof.circuit.frontend.translate import translate

__all__ = ["translate"]
