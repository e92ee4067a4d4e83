"""The integer circuit: ONNX -> exact integers; see docs/circuit.md."""
