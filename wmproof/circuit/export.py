"""The circuit as an ONNX graph that ONNX Runtime evaluates to the same bits, on CPU or CUDA.

float32: every sum is cut so that it stays below 2^24, parts meet as int32; exact wherever
convolutions are sums of products (ONNX Runtime's CPU provider; CUDA without TF32 and without
Winograd). float64: sums stay below 2^30 of 2^53, in any order. ONNX Runtime has no float64
convolution on the CPU and a wrong one on CUDA, so there they are matrix products, one for each
position of the kernel.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit import ir
from wmproof.circuit.exactness import EXACT_FLOAT32, digits, exact_slices, is_dense, stays_exact
from wmproof.circuit.product import Product
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
        Whether to output every committing node's numbers, as `activation_<index>`.

    Returns
    -------
    ModelProto
        Input `images`, uint8 (N, C, H, W). Outputs `logits`, int64 (N, classes), and `inside`,
        bool (N,): whether every accumulator stayed in its table. Where it did not, the logits of
        that image mean nothing. Then the activations, uint8 or uint16
        (N, *shape).
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
            if activations and isinstance(node, ir.Committing):
                self._committed(index, node)
                element = _integer(circuit.largest[index])
                outputs.append(_info(f"activation_{index}", element, circuit.shapes[index]))
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
        element = _integer(self._circuit.largest[index])
        self._op("Cast", value, to=element, output=f"activation_{index}")

    def _node(self, node: ir.Node) -> str:
        match node:
            case ir.Input():
                return self._op("Cast", "images", to=self._element)
            case ir.Activation():
                return self._activation(node)
            case Product():
                return self._product(node)
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
        return self._looked_up(*self._linear(node.linear), node.table)

    def _product(self, node: Product) -> str:
        """Einsum in doubles, which hold every sum whatever its order, then integers."""
        operands = []
        for source, zero in ((node.a, node.a_zero), (node.b, node.b_zero)):
            value = self._op("Cast", self._values[source], to=TensorProto.DOUBLE)
            operands.append(self._op("Sub", value, self._constant(np.array(zero, np.float64))))
        sums = self._op("Einsum", *operands, equation=node.equation)
        z = self._op("Cast", sums, to=TensorProto.INT32)
        z = self._op("Reshape", z, self._ints(0, *node.shape))
        channel = (-1, *(1 for _ in node.shape[1:]))
        for kind, numbers in (("Mul", node.factor), ("Add", node.bias)):
            z = self._op(kind, z, self._constant(numbers.astype(np.int32).reshape(channel)))
        return self._looked_up(z, False, node.table)

    def _looked_up(self, z: str, is_float: bool, number: int) -> str:
        table = self._circuit.tables[number]
        self._check_inside(z, table, is_float)
        shift = _clamp_shift(table)
        if shift is None:
            return self._gather(z, number)
        if not is_float:
            # Far outside of what the clamp can show, but still exact as a float.
            top = (table.largest + 1) << shift
            limits = [self._constant(np.array(v, np.int32)) for v in (0, top)]
            z = self._op("Cast", self._op("Clip", z, *limits), to=self._element)
        z = self._op("Mul", z, self._scalar(2.0**-shift))
        z = self._op("Floor", self._op("Add", z, self._scalar(0.5)))
        return self._op("Clip", z, self._scalar(0), self._scalar(table.largest))

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
        flat = self._op("Flatten", z, axis=1)
        low = self._op("ReduceMin", flat, axes=[1], keepdims=0)
        high = self._op("ReduceMax", flat, axes=[1], keepdims=0)
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
        if not self._single or stays_exact(linear, self._circuit.largest):
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
        weight, whole = term.full_weight, [slice(0, term.weight.shape[1])]
        if not self._single:
            return [(self._slice(term, whole[0], weight), 0)]
        largest = self._circuit.largest[term.source]
        slices = exact_slices(weight.reshape(*weight.shape[:2], -1), largest)
        if slices is not None and (len(slices) == 1 or term.groups == 1):
            return [(self._slice(term, part, weight[:, part]), 0) for part in slices]
        short = _short_slices(term, largest) if term.groups == 1 else whole
        return [
            (self._slice(term, part, digit), shift)
            for part in short
            for digit, shift in digits(weight[:, part], largest)
        ]

    def _slice(self, term: ir.Conv, part: slice, weight: NDArray[np.int32]) -> str:
        """A rounded convolution of some of the source's channels (of each group)."""
        source = self._values[term.source]
        if part.stop - part.start < term.weight.shape[1]:
            bounds = [self._ints(part.start), self._ints(part.stop), self._ints(1)]
            source = self._op("Slice", source, *bounds)
        return self._round(term, source, weight, term.groups)

    def _round(self, term: ir.Conv, source: str, weight: NDArray[np.int32], groups: int) -> str:
        if is_dense(term, self._circuit.shapes[term.source]):
            matrix = self._floats(weight.reshape(len(weight), -1).T)
            product = self._op("MatMul", self._op("Flatten", source, axis=1), matrix)
            z = self._op("Reshape", product, self._ints(0, len(weight), 1, 1))
        elif self._single:
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
        else:
            return self._products(term, source, weight)
        return self._op("Round", z)

    def _products(self, term: ir.Conv, source: str, weight: NDArray[np.int32]) -> str:
        """A convolution as matrices times what each position of its kernel sees."""
        outputs, height, width = term.output_shape(self._circuit.shapes[term.source])
        top, left, bottom, right = term.pads
        if any(term.pads):
            widths = self._ints(0, 0, top, left, 0, 0, bottom, right)
            source = self._op("Pad", source, widths, self._scalar(0))
        columns = (term.groups, weight.shape[1], height * width)
        axes, steps = self._ints(2, 3), self._ints(*term.strides)
        parts = []
        for i, j in np.ndindex(term.kernel):
            first = (i * term.dilations[0], j * term.dilations[1])
            last = (
                first[0] + (height - 1) * term.strides[0],
                first[1] + (width - 1) * term.strides[1],
            )
            stops = self._ints(last[0] + 1, last[1] + 1)
            seen = self._op("Slice", source, self._ints(*first), stops, axes, steps)
            seen = self._op("Reshape", seen, self._ints(0, *columns))
            matrix = weight[:, :, i, j].reshape(term.groups, -1, weight.shape[1])
            parts.append(self._op("MatMul", self._floats(matrix), seen))
        return self._op("Reshape", self._sum(parts), self._ints(0, outputs, height, width))


def _short_slices(term: ir.Conv, largest: int) -> list[slice]:
    """Slices of the input channels so short that `digits` has 4 bits for each digit."""
    channels = term.weight.shape[1]
    most = max(1, EXACT_FLOAT32 // (largest * math.prod(term.kernel) << 4))
    return [slice(first, min(first + most, channels)) for first in range(0, channels, most)]


def _integer(largest: int) -> int:
    """ONNX's type for numbers up to `largest`."""
    return TensorProto.UINT8 if largest < 256 else TensorProto.UINT16


def _clamp_shift(table: Table) -> int | None:
    """S if the table is clamp(floor(z / 2^S + 1/2), 0, largest), which needs no memory."""
    if len(table.steps) < 3:
        return None
    width = table.steps[2][0] - table.steps[1][0]
    shift = width.bit_length() - 1
    start = -(1 << (shift - 1)) if shift else 0
    expected = [(table.low, 0)]
    expected += [(start + (v << shift), v) for v in range(1, table.largest + 1)]
    return shift if shift and list(table.steps) == expected else None


def _info(name: str, element: int, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, ["N", *shape])
