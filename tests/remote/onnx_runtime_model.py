"""A runtime for MLServer, which loads it by name: an ONNX file, run by ONNX Runtime."""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class OnnxRuntimeModel(MLModel):
    async def load(self) -> bool:
        self._session = onnxruntime.InferenceSession(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        (pixels,) = self._session.get_inputs()
        kind = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}[pixels.type]
        images = NumpyCodec.decode_input(payload.inputs[0]).astype(kind)
        scores = self._session.run(None, {pixels.name: images})[0]
        name = payload.outputs[0].name
        output = scores.argmax(axis=1) if name == "label" else scores
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output(name, output)],
        )
