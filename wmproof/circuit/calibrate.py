"""Calibration: from a float network and public images to scales, tables and the integer circuit.

Layer by layer: a provisional integer map (8-bit weights) measures the range of each channel over
the calibration images; scales follow from it; the final integer map gives the bytes that the next
layer sees. Sums are integer sums, so the circuit is the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import cache

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit import ir
from wmproof.circuit.evaluate import move
from wmproof.circuit.functions import FUNCTIONS, precise
from wmproof.circuit.network import (
    Clamp,
    FloatActivation,
    FloatInput,
    FloatLinear,
    FloatPad,
    Floats,
    Leaky,
    Movement,
    Network,
    Smooth,
    float_sources,
)
from wmproof.circuit.plan import Bytes, LinearPlan
from wmproof.circuit.quantise import (
    Encoding,
    channel_encoding,
    mean_bytes,
    quantise_linear,
    row_blocks,
    source_channels,
)
from wmproof.circuit.tables import (
    MAX_TABLE_BITS,
    Grid,
    Table,
    clamp_table,
    function_table,
    leaky_table,
    leaky_zero_point,
)
from wmproof.circuit.workers import Workspace
from wmproof.errors import InputError

_PROVISIONAL = 2.0**8
_TINY = 2.0**-100


@dataclass(frozen=True)
class Settings:
    """What the compiler may choose; part of a claim, since anyone must be able to recompile.

    Parameters
    ----------
    shift : int
        S: an accumulator is 2^S times finer than an activation byte. 4 to 14.
    headroom : float
        The largest byte stands for this times the largest activation seen. At least 1.
    table_headroom : float
        Tables reach at least this times the largest accumulator seen. At least 1.
    channel_floor : float
        Smallest scale of a channel, as a part of its layer's scale; 1 gives one scale a layer.
    min_table_bits : int
        Smallest table, 2^bits entries, 12 to 22.
    logit_bits : int
        Logits are scaled so that the largest one seen is 2^bits.
    probes : int
        Probe pictures (see `probes`) among the calibration images, 0 to 1024.
    """

    shift: int = 10
    headroom: float = 1.5
    table_headroom: float = 2.0
    channel_floor: float = 1.0
    min_table_bits: int = 20
    logit_bits: int = 18
    probes: int = 64

    def __post_init__(self) -> None:
        checks = {
            "shift": 4 <= self.shift <= 14,
            "headroom": 1 <= self.headroom <= 64,
            "table_headroom": 1 <= self.table_headroom <= 64,
            "channel_floor": 2**-10 <= self.channel_floor <= 1,
            "min_table_bits": 12 <= self.min_table_bits <= MAX_TABLE_BITS,
            "logit_bits": 8 <= self.logit_bits <= 24,
            "probes": 0 <= self.probes <= 1024,
        }
        for name, fine in checks.items():
            if not fine:
                raise InputError(
                    f"{name} = {getattr(self, name)} is out of range", where="settings"
                )


@dataclass(frozen=True, eq=False)
class LayerRange:
    """What calibration saw and chose for one activation layer or the logits.

    Parameters
    ----------
    name : str
    table : str
        Name of its table, or "logits".
    scale : float64 array (O,)
        Real value of one step of each channel's byte (of one unit of a logit).
    real : float64 array (O, 2)
        Smallest and largest real accumulator of each channel.
    """

    name: str
    table: str
    scale: Floats
    real: Floats


@dataclass
class _Reach:
    """How far the arguments of a smooth function go, over all layers that use it."""

    low: float = -1.0
    high: float = 1.0

    def covers(self, low: float, high: float) -> bool:
        return self.low <= low and high <= self.high

    def grow(self, low: float, high: float) -> None:
        self.low = min(self.low, -_rounded_up(-low)) if low < 0 else self.low
        self.high = max(self.high, _rounded_up(high)) if high > 0 else self.high


class Calibration:
    """One calibration of a network; `run` gives the circuit and the ranges of its layers."""

    def __init__(self, network: Network, images: Bytes, settings: Settings) -> None:
        self._network = network
        self._images = images
        self._settings = settings
        self._reaches: dict[str, _Reach] = {}

    def run(self) -> tuple[ir.Circuit, list[LayerRange]]:
        """Calibrate, starting again while a shared table of a smooth function has to grow."""
        while True:
            before = {kind: (reach.low, reach.high) for kind, reach in self._reaches.items()}
            result = _Pass(self._network, self._images, self._settings, self._reaches).run()
            after = {kind: (reach.low, reach.high) for kind, reach in self._reaches.items()}
            if before == after:
                return result


class _Pass:
    """One walk through the network."""

    def __init__(
        self, network: Network, images: Bytes, settings: Settings, reaches: dict[str, _Reach]
    ) -> None:
        self._network = network
        self._settings = settings
        self._reaches = reaches
        self._values: dict[int, Bytes] = {0: images}
        self._means: dict[int, NDArray[np.int64]] = {}
        self._encodings: list[Encoding] = []
        self._nodes: list[ir.Node] = []
        self._tables: list[Table] = []
        self._ranges: list[LayerRange] = []
        self._worst: dict[int, int] = {}
        self._workspace = Workspace()
        self._last_use = _last_uses(network)

    def run(self) -> tuple[ir.Circuit, list[LayerRange]]:
        for index, node in enumerate(self._network.nodes):
            match node:
                case FloatInput():
                    self._input(node)
                case FloatActivation():
                    self._activation(index, node)
                case ir.Maximum():
                    self._nodes.append(node)
                    self._encodings.append(self._encodings[node.b])
                    self._values[index] = np.maximum(self._values[node.a], self._values[node.b])
                case _:
                    self._movement(index, node)
            self._means[index] = mean_bytes(self._values[index])
            for source in [s for s, last in self._last_use.items() if last == index]:
                self._values.pop(source, None)
        output = self._output()
        return ir.Circuit(tuple(self._nodes), self._fitted_tables(), output), self._ranges

    def _input(self, node: FloatInput) -> None:
        self._nodes.append(ir.Input(node.name, node.shape))
        shape = np.broadcast_to(node.scale, node.shape)
        self._encodings.append(Encoding(shape, np.zeros(node.shape)))

    def _movement(self, index: int, node: Movement) -> None:
        moving = self._pad(node) if isinstance(node, FloatPad) else node
        self._nodes.append(moving)
        self._values[index] = move(moving, self._values)
        self._encodings.append(_moved(moving, self._encodings))

    def _pad(self, node: FloatPad) -> ir.Pad:
        encoding = self._encodings[node.source]
        if node.value == -math.inf:
            value = 0
        else:
            exact = np.unique(node.value / encoding.scale + encoding.zero)
            value = int(np.clip(np.rint(exact[0]), 0, 255))
            if len(exact) != 1 or abs(exact[0] - value) > 0.5:
                raise InputError(
                    f"pads with {node.value}, which its bytes cannot stand for",
                    where=f"layer {node.name}",
                )
        return ir.Pad(node.name, node.source, node.before, node.after, value)

    def _activation(self, index: int, node: FloatActivation) -> None:
        real = self._measure(node.linear, node.name)
        shape, shift = node.linear.shape, self._settings.shift
        match node.function:
            case Clamp():
                if node.like is None:
                    scale, zero, shift = self._clamp_scale(node.function, real)
                else:
                    scale, zero = channel_encoding(self._encodings[node.like], node.name)
                factor, origin = 2.0**shift / scale, zero * 2.0**shift
                table = clamp_table(MAX_TABLE_BITS, shift)
            case Leaky():
                scale, zero = self._leaky_scale(node.function, real)
                factor, origin = 2.0**shift / scale, np.zeros(shape[0])
                table = leaky_table(MAX_TABLE_BITS, shift, Decimal(node.function.slope))
            case Smooth():
                table, grid = self._smooth_table(node.function.kind, real)
                scale = np.full(shape[0], float(grid.scale))
                zero = np.full(shape[0], float(grid.zero))
                factor, origin = np.full(shape[0], float(grid.density)), np.zeros(shape[0])
        linear = quantise_linear(
            node.linear, self._encodings, factor, origin, node.name, self._means
        )
        self._ranges.append(LayerRange(node.name, table.name, scale, real))
        number = self._table_number(table)
        self._values[index] = self._look_up(linear, number, node.name)
        self._nodes.append(ir.Activation(node.name, number, linear))
        wide = [np.broadcast_to(a[:, None, None], shape) for a in (scale, zero)]
        self._encodings.append(Encoding(wide[0], wide[1]))

    def _table_number(self, table: Table) -> int:
        if table not in self._tables:
            self._tables.append(table)
        return self._tables.index(table)

    def _look_up(self, linear: ir.Linear, number: int, name: str) -> Bytes:
        table = self._tables[number]
        where = f"layer {name}"
        # The static bound comes first: int32 accumulators rely on it.
        ir.linear_shape(linear, [e.scale.shape for e in self._encodings], where)
        plan = LinearPlan(linear, [e.scale.shape for e in self._encodings], self._workspace)
        y, seen = plan.look_up(table, self._values)
        worst = max(-int(seen.min()), int(seen.max()) + 1)
        if worst > table.high:
            raise InputError(
                f"an accumulator reaches {worst} in calibration, beyond the largest table",
                where=where,
                remedy="Compile with a smaller shift",
            )
        self._worst[number] = max(worst, self._worst.get(number, 0))
        return y

    def _fitted_tables(self) -> tuple[Table, ...]:
        """The tables, as small as the headroom allows."""
        return tuple(
            table.shrunk(min(table.bits, self._table_bits(self._worst[number])))
            for number, table in enumerate(self._tables)
        )

    def _table_bits(self, worst: float) -> int:
        bits = self._settings.min_table_bits
        while bits < MAX_TABLE_BITS and 2 ** (bits - 1) < self._settings.table_headroom * worst:
            bits += 1
        return bits

    def _clamp_scale(self, function: Clamp, real: Floats) -> tuple[Floats, Floats, int]:
        """Scale and zero of each channel for a clipped linear function, and its table's shift."""
        settings, shift = self._settings, self._settings.shift
        ends = np.stack([np.minimum(real[:, 0], 0), np.maximum(real[:, 1], 0)])
        low, high = np.clip(ends * settings.headroom, function.low, function.high)
        width = high - low
        width = np.maximum(width, settings.channel_floor * (width.max() or 1.0))
        # The whole accumulator, what is clipped too, must fit into the largest table.
        reach = np.abs(real).max(axis=1) * settings.table_headroom * 255 / 2 ** (MAX_TABLE_BITS - 1)
        if math.isfinite(function.high - function.low):
            # Wider bytes would forget the clip; a smaller shift only rounds weights earlier.
            low = np.maximum(function.low, np.minimum(low, function.high - width))
            while shift > 1 and (reach * 2.0**shift > width).any():
                shift -= 1
        else:
            width = np.maximum(width, reach * 2.0**shift)
        scale = width / 255
        zero = -low / scale
        return scale, np.rint(zero) if np.isinf(function.low) else zero, shift

    def _leaky_scale(self, function: Leaky, real: Floats) -> tuple[Floats, Floats]:
        settings = self._settings
        zero = leaky_zero_point(Decimal(function.slope))
        up = np.maximum(real[:, 1], 0) / (255 - zero)
        down = np.maximum(-real[:, 0], 0) * abs(function.slope) / max(zero, 1)
        if function.slope < 0:
            down = np.maximum(-real[:, 0], 0) * -function.slope / 255
        scale = np.maximum(up, down) * settings.headroom
        scale = np.maximum(scale, settings.channel_floor * (scale.max() or 1.0))
        reach = np.abs(real).max(axis=1) * settings.table_headroom * 2.0**settings.shift
        scale = np.maximum(scale, reach / 2 ** (MAX_TABLE_BITS - 1))
        return scale, np.full_like(scale, float(zero))

    def _smooth_table(self, kind: str, real: Floats) -> tuple[Table, Grid]:
        """The shared table of a smooth function, grown if this layer's arguments need it."""
        settings = self._settings
        low, high = float(real[:, 0].min()), float(real[:, 1].max())
        reach = self._reaches.setdefault(kind, _Reach())
        if not reach.covers(low, high):
            reach.grow(low, high)
        return _smooth_table(kind, reach.low, reach.high, settings)

    def _measure(self, linear: FloatLinear, name: str) -> Floats:
        """Smallest and largest real value of each channel over the calibration images, (O, 2)."""
        factor = self._provisional_factor(linear)
        rounded = quantise_linear(linear, self._encodings, factor, np.zeros(linear.shape[0]), name)
        plan = LinearPlan(rounded, [e.scale.shape for e in self._encodings], self._workspace)
        return plan.extremes(self._values) / factor[:, None]

    def _provisional_factor(self, linear: FloatLinear) -> Floats:
        """Factors that give weights of about 8 bits and accumulators below 2^30."""
        largest = np.full(linear.shape[0], _TINY)
        taps, farthest = 0, 255.0
        for term in linear.terms:
            encoding = self._encodings[term.source]
            per_channel = encoding.scale[:, 0, 0]
            offset = term.offset / per_channel - encoding.zero[:, 0, 0]
            farthest = max(farthest, float(np.abs(offset).max()))
            scale = source_channels(term, per_channel)
            for rows in row_blocks(term.weight):
                sizes = np.abs(term.weight[rows] * scale[rows]).max(axis=(1, 2, 3))
                largest[rows] = np.maximum(largest[rows], sizes)
            taps += term.weight.shape[1] * math.prod(term.kernel)
        weight_limit = min(_PROVISIONAL, 2.0**27 / (farthest * taps))
        bias_limit = 2.0**27 / np.maximum(np.abs(linear.bias).max(axis=(1, 2)), _TINY)
        return np.asarray(np.minimum(weight_limit / largest, bias_limit))

    def _output(self) -> ir.Linear:
        linear, name = self._network.output, "logits"
        real = self._measure(linear, name)
        largest = float(np.abs(real).max()) or 1.0
        factor = np.full(linear.shape[0], 2.0**self._settings.logit_bits / largest)
        zero = np.zeros(linear.shape[0])
        self._ranges.append(LayerRange(name, name, 1 / factor, real))
        return quantise_linear(linear, self._encodings, factor, zero, name, self._means)


@cache
def _smooth_table(kind: str, low: float, high: float, settings: Settings) -> tuple[Table, Grid]:
    """Table whose byte covers the function's values on [low, high], with headroom."""
    function = FUNCTIONS[kind]
    with localcontext(Context(prec=40)):
        bottom, top = function.limits
        if bottom is None or top is None:
            top = precise(function, high) * Decimal(settings.headroom)
            bottom = function.limits[0] or Decimal(0)
        zero = 0 if bottom >= 0 else int((255 * -bottom / (top - bottom)).to_integral_value())
        scale = max((top - max(bottom, Decimal(0))) / (255 - zero), -bottom / max(zero, 1))
        reach = Decimal(max(-low, high) * settings.table_headroom) / scale
        shift = settings.shift
        while reach * Decimal(2) ** shift > 2 ** (MAX_TABLE_BITS - 1):
            shift -= 1
        bits = settings.min_table_bits
        while reach * Decimal(2) ** shift > 2 ** (bits - 1):
            bits += 1
        grid = Grid(Decimal(2) ** shift / scale, scale, zero)
    return function_table(kind, bits, grid), grid


def _rounded_up(x: float) -> float:
    """X rounded up to 4 bits, so that a reach which hardly grows does not grow at all."""
    mantissa, exponent = math.frexp(x)
    return math.ldexp(math.ceil(mantissa * 16) / 16, exponent)


def _last_uses(network: Network) -> dict[int, int]:
    """The last node that reads each node, for those that the logits do not read."""
    last = {}
    for index, node in enumerate(network.nodes):
        for source in float_sources(node):
            last[source] = index
    for term in network.output.terms:
        last.pop(term.source, None)
    return last


def _moved(node: ir.Wiring, encodings: list[Encoding]) -> Encoding:
    """Scale and zero of every element after moving the elements."""
    moved = []
    for name in ("scale", "zero"):
        arrays = {s: getattr(encodings[s], name)[None] for s in ir.node_sources(node)}
        if isinstance(node, ir.Pad):
            widths = list(zip(node.before, node.after, strict=True))
            moved.append(np.pad(arrays[node.source][0], widths, mode="edge"))
        else:
            moved.append(move(node, arrays)[0])
    return Encoding(moved[0], moved[1])
