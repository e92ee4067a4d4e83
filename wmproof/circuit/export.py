"""The circuit as an ONNX graph that ONNX Runtime evaluates to the same bits, on CPU or CUDA.

float32: every sum is cut so that it stays below 2^24, parts meet as int32; exact wherever
convolutions are sums of products (ONNX Runtime's CPU provider; CUDA without TF32 and without
Winograd). float64: sums stay below 2^30 of 2^53, so that even a transform's rounding error is
removed by the Round after each linear map; ONNX Runtime has float64 convolutions on CUDA only.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit import ir
from wmproof.circuit.exactness import digits, exact_slices, is_dense, stays_exact
from wmproof.circuit.tables import Table

OPSET = 17
_IR_VERSION = 8
Precision = Literal["float32", "float64"]
_ELEMENT = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


def export_onnx(
    circuit: ir.Circuit, *, precision: Precision = "float32", activations: bool = False
) -> onnx.ModelProto:
    """Write the circuit as an ONNX model.

    Parameters
    ----------
    circuit : Circuit
    precision : {'float32', 'float64'}
        In which floats integers are held; see the module.
    activations : bool
        Whether to output every committing node's bytes, as `activation_<index>`.

    Returns
    -------
    ModelProto
        Input `images`, uint8 (N, C, H, W). Outputs `logits`, int64 (N, classes), and `inside`,
        bool (N,): whether every accumulator stayed in its table. Where it did not, the logits of
        that image mean nothing. Then the activations, uint8 (N, *shape).
    """
    return _Exporter(circuit, precision).model(activations)


class _Exporter:
    def __init__(self, circuit: ir.Circuit, precision: Precision) -> None:
        self._circuit = circuit
        self._single = precision == "float32"
        self._element = _ELEMENT[precision]
        self._dtype = np.dtype(precision)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._values: list[str] = []
        self._inside: list[str] = []
        self._tables: dict[int, str] = {}

    def model(self, activations: bool) -> onnx.ModelProto:
        circuit = self._circuit
        outputs = []
        for index, node in enumerate(circuit.nodes):
            self._values.append(self._node(node))
            if activations and isinstance(node, ir.Input | ir.Activation | ir.Maximum):
                self._committed(index, node)
                outputs.append(
                    _info(f"activation_{index}", TensorProto.UINT8, circuit.shapes[index])
                )
        z, _ = self._linear(circuit.output)
        z = self._op("Cast", z, to=TensorProto.INT64)
        shape = self._constant(np.array([0, circuit.classes], np.int64))
        self._op("Reshape", z, shape, output="logits")
        self._all_inside()
        graph = helper.make_graph(
            self._nodes,
            "circuit",
            [_info("images", TensorProto.UINT8, circuit.input_shape)],
            [
                _info("logits", TensorProto.INT64, (circuit.classes,)),
                _info("inside", TensorProto.BOOL, ()),
                *outputs,
            ],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = _IR_VERSION
        return model

    def _op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _constant(self, array: NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _floats(self, array: NDArray[Any]) -> str:
        return self._constant(array.astype(self._dtype))

    def _scalar(self, value: float) -> str:
        return self._constant(np.array(value, self._dtype))

    def _ints(self, *values: int) -> str:
        return self._constant(np.array(values, np.int64))

    def _committed(self, index: int, node: ir.Node) -> None:
        value = self._values[index]
        if isinstance(node, ir.Maximum):
            value = self._op("Sub", value, self._values[node.b])
        self._op("Cast", value, to=TensorProto.UINT8, output=f"activation_{index}")

    def _node(self, node: ir.Node) -> str:
        match node:
            case ir.Input():
                return self._op("Cast", "images", to=self._element)
            case ir.Activation():
                return self._activation(node)
            case ir.Maximum():
                return self._op("Max", self._values[node.a], self._values[node.b])
            case ir.Reshape():
                return self._op("Reshape", self._values[node.source], self._ints(0, *node.shape))
            case ir.Transpose():
                axes = [0, *(axis + 1 for axis in node.axes)]
                return self._op("Transpose", self._values[node.source], perm=axes)
            case ir.Concat():
                sources = [self._values[source] for source in node.sources]
                return self._op("Concat", *sources, axis=node.axis + 1)
            case ir.Slice():
                which = self._ints(*range(1, len(node.starts) + 1))
                bounds = [self._ints(*part) for part in (node.starts, node.stops)]
                steps = self._ints(*node.steps)
                return self._op("Slice", self._values[node.source], *bounds, which, steps)
            case ir.Pad():
                widths = self._ints(0, *node.before, 0, *node.after)
                fill = self._scalar(node.value)
                return self._op("Pad", self._values[node.source], widths, fill)

    def _activation(self, node: ir.Activation) -> str:
        z, is_float = self._linear(node.linear)
        table = self._circuit.tables[node.table]
        self._check_inside(z, table, is_float)
        shift = _clamp_shift(table)
        if shift is None:
            return self._gather(z, node.table)
        if not is_float:
            # Far outside of what the clamp can show, but still exact as a float.
            limits = [self._constant(np.array(v, np.int32)) for v in (0, 256 << shift)]
            z = self._op("Cast", self._op("Clip", z, *limits), to=self._element)
        z = self._op("Mul", z, self._scalar(2.0**-shift))
        z = self._op("Floor", self._op("Add", z, self._scalar(0.5)))
        return self._op("Clip", z, self._scalar(0), self._scalar(255))

    def _gather(self, z: str, number: int) -> str:
        table = self._circuit.tables[number]
        if number not in self._tables:
            self._tables[number] = self._floats(table.values)
        index = self._op("Cast", z, to=TensorProto.INT64)
        limits = [self._constant(np.array(v, np.int64)) for v in (table.low, table.high)]
        index = self._op("Clip", index, *limits)
        index = self._op("Sub", index, self._constant(np.array(table.low, np.int64)))
        return self._op("Gather", self._tables[number], index)

    def _check_inside(self, z: str, table: Table, is_float: bool) -> None:
        dtype = self._dtype if is_float else np.dtype(np.int32)
        low = self._op("ReduceMin", z, axes=[1, 2, 3], keepdims=0)
        high = self._op("ReduceMax", z, axes=[1, 2, 3], keepdims=0)
        above = self._op("GreaterOrEqual", low, self._constant(np.array(table.low, dtype)))
        below = self._op("LessOrEqual", high, self._constant(np.array(table.high, dtype)))
        self._inside.append(self._op("And", above, below))

    def _all_inside(self) -> None:
        if not self._inside:
            count = self._op("Gather", self._op("Shape", "images"), self._ints(0))
            self._op("Expand", self._constant(np.array(True)), count, output="inside")
            return
        total = self._inside[0]
        for one in self._inside[1:]:
            total = self._op("And", total, one)
        self._op("Identity", total, output="inside")

    def _linear(self, linear: ir.Linear) -> tuple[str, bool]:
        """The accumulator, and whether it is in floats (else int32)."""
        if not self._single or stays_exact(linear):
            parts = [part for term in linear.terms for part, _ in self._parts(term)]
            total = self._sum(parts)
            return self._op("Add", total, self._floats(linear.bias[None])), True
        parts = []
        for term in linear.terms:
            for part, shift in self._parts(term):
                part = self._op("Cast", part, to=TensorProto.INT32)
                if shift:
                    part = self._op("Mul", part, self._constant(np.array(1 << shift, np.int32)))
                parts.append(part)
        bias = self._constant(linear.bias[None].astype(np.int32))
        return self._op("Add", self._sum(parts), bias), False

    def _sum(self, parts: list[str]) -> str:
        total = parts[0]
        for part in parts[1:]:
            total = self._op("Add", total, part)
        return total

    def _parts(self, term: ir.Conv) -> list[tuple[str, int]]:
        """Rounded convolutions, each exact, and the power of two that each counts for."""
        source = self._values[term.source]
        weight = term.full_weight
        flat = weight.reshape(len(weight), weight.shape[1], -1)
        slices = exact_slices(flat) if self._single else [slice(0, weight.shape[1])]
        if slices is None:
            return [
                (self._round(term, source, digit, term.groups), shift)
                for digit, shift in digits(term)
            ]
        if len(slices) == 1 or term.groups > 1:
            return [(self._round(term, source, weight, term.groups), 0)]
        return [
            (self._round(term, self._channels(source, part), weight[:, part], 1), 0)
            for part in slices
        ]

    def _channels(self, source: str, part: slice) -> str:
        bounds = [self._ints(part.start), self._ints(part.stop), self._ints(1)]
        return self._op("Slice", source, *bounds)

    def _round(self, term: ir.Conv, source: str, weight: NDArray[np.int32], groups: int) -> str:
        if is_dense(term, self._circuit.shapes[term.source]):
            matrix = self._floats(weight.reshape(len(weight), -1).T)
            product = self._op("MatMul", self._op("Flatten", source, axis=1), matrix)
            z = self._op("Reshape", product, self._ints(0, len(weight), 1, 1))
        else:
            z = self._op(
                "Conv",
                source,
                self._floats(weight),
                kernel_shape=list(term.kernel),
                strides=list(term.strides),
                pads=list(term.pads),
                dilations=list(term.dilations),
                group=groups,
            )
        return self._op("Round", z)


def _clamp_shift(table: Table) -> int | None:
    """S if the table is clamp(floor(z / 2^S + 1/2), 0, 255), which needs no memory."""
    if len(table.steps) < 3:
        return None
    width = table.steps[2][0] - table.steps[1][0]
    shift = width.bit_length() - 1
    start = -(1 << (shift - 1)) if shift else 0
    expected = [(table.low, 0)]
    expected += [
        (start + (v << shift), v) for v in range(1, 256) if start + (v << shift) <= table.high
    ]
    return shift if shift and list(table.steps) == expected else None


def _info(name: str, element: int, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, ["N", *shape])
