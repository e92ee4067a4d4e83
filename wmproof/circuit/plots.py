"""Plots of a fidelity report, as PNG bytes. Needs the extra `plots`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from wmproof.circuit.ir import ACCUMULATOR_LIMIT
from wmproof.circuit.report import Fidelity
from wmproof.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_ranges(fidelity: Fidelity) -> bytes:
    """Accumulators of each layer beside its table and the static bound, in powers of two.

    InputError if there are no activation layers.
    """
    layers = fidelity.layers
    places = np.arange(len(layers))
    figure, axes = _figure(len(layers))
    used = [max(-layer.lowest, layer.highest, 1) for layer in layers]
    axes.bar(places, np.log2(used), color="#4477aa", label="largest |z| seen")
    for values, style, label in (
        ([layer.table_limit for layer in layers], "_k", "table"),
        ([layer.bound for layer in layers], "xr", "bound for any image"),
    ):
        axes.plot(places, np.log2(values), style, markersize=10, label=label)
    axes.axhline(np.log2(ACCUMULATOR_LIMIT), color="r", linewidth=0.8, label="limit 2^30")
    axes.set_ylabel("bits")
    _name_layers(figure, axes, [layer.name for layer in layers])
    return _png(figure)


def draw_saturation(fidelity: Fidelity) -> bytes:
    """Part of each layer's activations that are at the largest byte; errors as `draw_ranges`."""
    layers = fidelity.layers
    figure, axes = _figure(len(layers))
    percent = [100 * layer.saturated for layer in layers]
    axes.bar(np.arange(len(layers)), percent, color="#cc6677", label="activations at their largest")
    axes.set_ylabel("percent")
    _name_layers(figure, axes, [layer.name for layer in layers])
    return _png(figure)


def _figure(count: int) -> tuple[Figure, Axes]:
    # No pyplot: it keeps global state and may want a display.
    from matplotlib.figure import Figure

    if not count:
        raise InputError("there are no activation layers to plot")
    figure = Figure(figsize=(max(5.0, 0.35 * count + 2), 4.5))
    return figure, figure.add_subplot()


def _name_layers(figure: Figure, axes: Axes, names: list[str]) -> None:
    axes.set_xticks(np.arange(len(names)), [name[-28:] for name in names], rotation=90, fontsize=7)
    axes.grid(axis="y", linewidth=0.3)
    axes.legend(fontsize=7)
    figure.tight_layout()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
