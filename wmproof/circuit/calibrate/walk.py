"""One walk through a network, layer by layer: measure, choose the scale, look up, go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import Workspace
from wmproof.circuit import ir
from wmproof.circuit.balance import Balance
from wmproof.circuit.calibrate.encodings import (
    by_channel,
    common_encoding,
    moved_encoding,
    plain_product,
    whole_pad,
)
from wmproof.circuit.calibrate.fit import Fitter
from wmproof.circuit.calibrate.moments import tap_moments
from wmproof.circuit.calibrate.settings import Settings
from wmproof.circuit.calibrate.shared_tables import SharedTables
from wmproof.circuit.calibrate.sizes import channel_sizes, provisional_factor
from wmproof.circuit.evaluate import look_up_products, move, product_sums
from wmproof.circuit.measure import Measurement
from wmproof.circuit.network import (
    FloatActivation,
    FloatInput,
    FloatLinear,
    FloatNode,
    FloatPad,
    FloatProduct,
    FloatRows,
    Floats,
    Network,
    Pole,
    Ranged,
    Reciprocal,
    Rounded,
    Smooth,
    float_sources,
)
from wmproof.circuit.plan import Bytes, LinearPlan, Values
from wmproof.circuit.product_scales import whole_numbers
from wmproof.circuit.quantise import Encoding, mean_values, operand_zero, quantise_linear
from wmproof.circuit.reach import Reaches
from wmproof.circuit.rounding import (
    check_damping,
    check_doubt,
    check_lengths,
    check_reach,
    check_rounding,
)
from wmproof.circuit.ties import Tie

_NOT_ROUNDED = ir.Linear(np.zeros((1, 1, 1), np.int32), ())
_GIVEN = Rounded | Ranged | Pole | Reciprocal  # whose steps are given, or whose weights are whole
_BALANCED = 16  # pictures whose rounding errors a trial looks at


@dataclass(frozen=True, eq=False)
class LayerRange:
    """What calibration saw and chose for one activation layer or the logits.

    Parameters
    ----------
    table : str
        Name of its table, or "logits".
    scale : float64 array (O,)
        Real value of one step of each channel's numbers (of one unit of a logit).
    real : float64 array (O, 2)
        Smallest and largest real accumulator of each channel.
    """

    name: str
    table: str
    scale: Floats
    real: Floats


class Walk:
    """One walk through the network with activations of some bits.

    Attributes
    ----------
    balance : Balance
        Of a trial's rounding errors.
    """

    def __init__(
        self,
        network: Network,
        images: Bytes,
        settings: Settings,
        bits: int,
        reaches: Reaches,
        ties: Mapping[int, Tie],
    ) -> None:
        self._network, self._settings, self._bits = network, settings, bits
        self._balance = Balance()
        self._values: dict[int, Values] = {0: images}
        self._rounded: dict[int, Callable[[], ir.Linear]] = {}
        self._means: dict[int, NDArray[np.int64]] = {}
        self._ties = ties
        self._fitter = Fitter(network, settings, bits, reaches, ties)
        self._together = settings.roomy
        self._encodings, self._largest = self._fitter.encodings, self._fitter.largest
        self._nodes: list[ir.Node] = []
        self._tables = SharedTables(settings)
        self._ranges: list[LayerRange] = []
        self._workspace = Workspace()
        self._last_use = _last_uses(network)

    def run(self) -> None:
        """Calibrate every layer and the logits."""
        for index, node in enumerate(self._network.nodes):
            match node:
                case FloatInput():
                    self._input(node)
                case FloatActivation():
                    self._activation(index, node)
                case FloatProduct():
                    self._product(index, node)
                case ir.Maximum():
                    self._nodes.append(node)
                    self._encodings.append(common_encoding(node, self._encodings))
                    self._values[index] = np.maximum(self._values[node.a], self._values[node.b])
                case FloatPad():
                    of = node.source
                    pad = whole_pad(node, self._encodings[of], self._largest[of])
                    self._movement(index, pad)
                case FloatRows():
                    self._movement(index, ir.Reshape(node.name, node.source, node.shape))
                    if index in self._ties:
                        zero = operand_zero(self._encodings[index], node.name)
                        ones = np.ones(node.shape)
                        self._encodings[index] = Encoding(ones, zero * ones)
                case _:
                    self._movement(index, node)
            largest = ir.node_largest(self._nodes[index], self._tables.all, self._largest)
            self._largest.append(largest)
            self._means[index] = mean_values(self._values[index])
            self._note_errors(index, node)
            for source in [s for s, last in self._last_use.items() if last == index]:
                self._values.pop(source, None)
        self._output()

    def _note_errors(self, index: int, node: FloatNode) -> None:
        """What the numbers of a node have lost in this walk."""
        given = isinstance(node, FloatActivation) and isinstance(node.function, _GIVEN)
        if isinstance(node, FloatProduct):
            self._balance.add_product(index, node.a, node.b)
        elif given or not isinstance(node, FloatActivation):
            self._balance.add_moved(index, float_sources(node))
        chosen = isinstance(node, FloatActivation | FloatProduct) and not given
        rounded = chosen and self._fitter.chosen(index)
        self._balance.add_numbers(index, self._values[index][:_BALANCED], rounded)

    def best_bits(self, finer: int) -> int:
        """How many bits would have balanced rounding errors in this walk: see `Balance`."""
        return self._balance.bits(len(self._nodes), self._bits, finer)

    def long_tables(self) -> int:
        """How many tables are as long as tables may be."""
        return sum(table.bits == self._settings.max_table_bits for table in self._tables.fitted())

    def result(self) -> tuple[ir.Circuit, list[LayerRange]]:
        """What the walk chose, its weights rounded, and what it saw."""
        linears = {index: rounded() for index, rounded in self._rounded.items()}
        nodes = [
            replace(node, linear=linears[index]) if isinstance(node, ir.Activation) else node
            for index, node in enumerate(self._nodes)
        ]
        logits = linears[len(nodes)]
        return ir.Circuit(tuple(nodes), self._tables.fitted(), logits), self._ranges

    def _input(self, node: FloatInput) -> None:
        self._nodes.append(ir.Input(node.name, node.shape))
        shape = np.broadcast_to(node.scale, node.shape)
        self._encodings.append(Encoding(shape, np.zeros(node.shape)))

    def _movement(self, index: int, node: ir.Wiring) -> None:
        self._nodes.append(node)
        self._values[index] = move(node, self._values)
        self._encodings.append(moved_encoding(node, self._encodings))

    def _activation(self, index: int, node: FloatActivation) -> None:
        sizes = channel_sizes(node.linear, self._encodings)
        measured = self._measure(node.linear, sizes, node.name)
        real = measured.seen.ends
        fit = self._fitter.activation(index, node, measured.seen, sizes)
        factor, origin = fit.factor, fit.origin
        reach = fit.table.largest * fit.scale
        check_rounding(node.linear, real, reach, node.name, self._network.digits)
        self._check_doubt(node.linear, np.maximum(reach, np.ptp(real, axis=1)), node.name)
        if node.function == Smooth("local_response"):
            check_damping(real, node.name)
        self._ranges.append(LayerRange(node.name, fit.table.name, fit.scale, real))
        number = self._tables.number(fit.table)
        if not isinstance(node.function, Reciprocal):  # whose table has all that there can be
            self._tables.hold(number, real * factor[:, None] + origin[:, None], node.name)
        self._values[index] = measured.look_up(self._tables.all[number], factor, origin)
        self._nodes.append(ir.Activation(node.name, number, _NOT_ROUNDED))
        self._round_later(index, node.linear, measured, factor, origin, node.name)
        if not isinstance(node.function, _GIVEN):
            self._balance.add_layer(index, measured.linear, factor / measured.factor)
        self._encodings.append(by_channel(fit.scale, fit.zero, node.linear.shape))

    def _product(self, index: int, node: FloatProduct) -> None:
        """A product of bytes: its integers are given, so the scale of the result fits them."""
        plain, units = plain_product(node, self._encodings, self._ties[index].units)
        # The results of a channel may have units of their own: one of them stands for all.
        unit = units.reshape(len(units), -1)[:, 0]
        sums = product_sums(plain, self._values)
        raw = sums.ends
        rows = self._row_units(node)
        real = raw * unit[:, None] + (node.offset / rows**2)[:, None]
        check_reach(real, node.name, self._network.digits, float(unit.min()))
        check_lengths(raw[:, 1], np.sqrt(unit) * rows, node.least, node.name)
        shapes = self._encodings[node.a].scale.shape, self._encodings[node.b].scale.shape
        reach = self._largest[node.a], self._largest[node.b]
        most = plain.bound(plain.sizes(*shapes), reach)
        fit = self._fitter.product(index, node, sums, unit, most, rows)
        number = self._tables.number(fit.table)
        factor, bias = whole_numbers(fit.factor), whole_numbers(fit.origin)
        whole = replace(plain, table=number, factor=factor, bias=bias)
        whole.check(shapes, reach, ir.ACCUMULATOR_LIMIT)
        seen = raw * whole.factor[:, None] + whole.bias[:, None]
        self._tables.hold(number, seen.astype(np.float64), node.name)
        self._values[index] = look_up_products(whole, self._tables.all[number], self._values)
        self._ranges.append(LayerRange(node.name, fit.table.name, fit.scale, real))
        self._nodes.append(whole)
        encoding = by_channel(fit.scale, fit.zero, node.shape)
        beside = units / unit.reshape(-1, *(1 for _ in node.shape[1:]))
        self._encodings.append(replace(encoding, scale=encoding.scale * beside))

    def _row_units(self, node: FloatProduct) -> Floats:
        """What 1 in each column that a normalisation reads stands for, (O,)."""
        rows = None if node.rows is None else self._network.nodes[node.rows]
        if not isinstance(rows, FloatRows) or node.rows is None:
            return np.ones(node.shape[0])
        before, after = (self._encodings[i].scale for i in (rows.source, node.rows))
        return np.asarray((before.reshape(rows.shape) / after)[0, :, 0])

    def _round_later(
        self,
        index: int,
        linear: FloatLinear,
        measured: Measurement,
        factor: Floats,
        origin: Floats,
        name: str,
    ) -> None:
        """Note how a layer is to be rounded, which a trial need not do."""
        encodings, means = self._encodings, self._means
        # It takes longer than all else: where a circuit's lookups are few, so is what it gives.
        moments = tap_moments(linear, self._values, encodings) if self._together else None

        def rounded() -> ir.Linear:
            found = quantise_linear(linear, encodings, factor, origin, name, means, moments)
            # What holds for any image: int32 accumulators rely on it.
            ir.linear_shape(found, self._shapes(), self._largest, f"layer {name}")
            return found

        self._rounded[index] = rounded

    def _shapes(self) -> list[ir.Shape]:
        return [encoding.scale.shape for encoding in self._encodings]

    def _measure(self, linear: FloatLinear, sizes: Floats, name: str) -> Measurement:
        """The map's accumulators over the calibration images; `sizes` as `channel_sizes` says."""
        factor = provisional_factor(linear, sizes, self._encodings, self._largest)
        zero = np.zeros(linear.shape[0])
        rounded = quantise_linear(linear, self._encodings, factor, zero, name, self._means)
        plan = LinearPlan(rounded, self._shapes(), self._largest, self._workspace)
        return Measurement(rounded, plan, factor, self._values)

    def _check_doubt(self, linear: FloatLinear, spread: Floats, name: str) -> None:
        sizes = {}
        for term in linear.terms:
            encoding, top = self._encodings[term.source], self._largest[term.source]
            scale, zero = encoding.scale[:, 0, 0], encoding.zero[:, 0, 0]
            sizes[term.source] = scale * np.maximum(np.abs(zero), np.abs(top - zero))
        check_doubt(linear, sizes, spread, name)

    def _output(self) -> None:
        linear, name = self._network.output, "logits"
        sizes = channel_sizes(linear, self._encodings)
        measured = self._measure(linear, sizes, name)
        real = measured.seen.ends
        check_rounding(linear, real, np.zeros(len(real)), name, self._network.digits)
        self._check_doubt(linear, np.full(len(real), np.ptp(real)), name)
        factor = np.full(linear.shape[0], self._fitter.logits(linear, real, sizes))
        zero = np.zeros(linear.shape[0])
        self._ranges.append(LayerRange(name, name, 1 / factor, real))
        self._round_later(len(self._nodes), linear, measured, factor, zero, name)
        self._balance.add_layer(len(self._nodes), measured.linear, factor / measured.factor)


def _last_uses(network: Network) -> dict[int, int]:
    """The last node that reads each node, for those that the logits do not read."""
    last = {}
    for index, node in enumerate(network.nodes):
        for source in float_sources(node):
            last[source] = index
    for term in network.output.terms:
        last.pop(term.source, None)
    return last
