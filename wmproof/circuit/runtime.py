"""Evaluating a circuit by its exported graph, in ONNX Runtime on CPU or CUDA."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.evaluate import Evaluation
from wmproof.circuit.export import Precision, export_onnx
from wmproof.circuit.ir import Circuit
from wmproof.circuit.limits import check_images
from wmproof.errors import InputError

Device = Literal["cpu", "cuda"]


class RuntimeEvaluator:
    """Evaluates one circuit in ONNX Runtime.

    Parameters
    ----------
    circuit : Circuit
    device : {'cpu', 'cuda'}
    threads : int
        Threads on the CPU; 0 lets ONNX Runtime decide. It does not change a bit.
    keep : bool
        Whether `__call__` returns the committed bytes.
    batch : int
        Images at a time.
    precision : {'float32', 'float64'}, optional
        In which floats integers are held; float32 on the CPU and float64 on CUDA if absent.
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        device: Device = "cpu",
        threads: int = 0,
        keep: bool = True,
        batch: int = 32,
        precision: Precision | None = None,
    ) -> None:
        import onnxruntime

        self._circuit = circuit
        self._batch = batch
        self._kept = list(circuit.committed()) if keep else []
        provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
        if provider not in onnxruntime.get_available_providers():
            raise InputError(
                f"this ONNX Runtime has no {provider}",
                remedy="Install wmproof's extra 'gpu', or use the CPU: the bits are the same",
            )
        precision = precision or ("float64" if device == "cuda" else "float32")
        model = export_onnx(circuit, precision=precision, activations=keep)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=[provider]
        )

    def __call__(self, images: NDArray[np.uint8]) -> Evaluation:
        """Evaluate images, uint8 (N, C, H, W); `ranges` of the result is empty.

        Raises
        ------
        InputError
            If the images have another shape or type, or an accumulator leaves its table.
        """
        check_images(self._circuit, images)
        parts = []
        for first in range(0, len(images), self._batch):
            logits, inside, *kept = self._session.run(
                None, {"images": images[first : first + self._batch]}
            )
            if not inside.all():
                raise InputError(
                    f"image {first + int(np.flatnonzero(~inside)[0])} leaves an activation table; "
                    "it has no answer in this circuit",
                    remedy="Compile again with images like this one, or with more headroom",
                )
            parts.append((logits, *kept))
        logits, *kept = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Evaluation(logits, dict(zip(self._kept, kept, strict=True)), {})
