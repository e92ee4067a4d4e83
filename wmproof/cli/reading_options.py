"""The options that say how a model takes a picture: pixels, layout, shape and output."""

from typing import Any

import click

from wmproof.cli.options import SHAPE, Option, gathered
from wmproof.core.reading import LAYOUTS, PIXELS, Reading
from wmproof.core.triggers import format_shape


def read_numbers(_context: click.Context, option: click.Parameter, text: str | None) -> Any:
    """Read numbers between commas as a tuple of floats; of nothing an empty one."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers like 0.5,0.5,0.5") from None


READING: dict[str, Option] = {
    "pixels": click.option(
        "--pixels",
        type=click.Choice(PIXELS),
        default="raw",
        help="What a float model takes: 0..255, or 0..1.",
    ),
    "mean": click.option(
        "--mean",
        callback=read_numbers,
        metavar="M,M,M",
        help="Is taken off pixels of 0..1 first; one number, or one a channel.",
    ),
    "std": click.option(
        "--std",
        callback=read_numbers,
        metavar="S,S,S",
        help="Divides what is left; one number, or one a channel.",
    ),
    "layout": click.option(
        "--layout",
        type=click.Choice(LAYOUTS),
        help="How the model takes a picture, where the file leaves a doubt.",
    ),
    "picture_shape": click.option(
        "--shape",
        "picture_shape",
        type=SHAPE,
        metavar="CxHxW",
        help="Of a picture, or 30 for a row of 30 numbers, where the file leaves it open.",
    ),
    "output": click.option(
        "--output", metavar="NAME", help="The output that answers, where there are several."
    ),
    "blue_first": click.option(
        "--blue-first", is_flag=True, help="The model takes blue, green and red in this order."
    ),
}


def make_reading(options: dict[str, Any]) -> Reading:
    """Take these options out of all that were given."""
    given = {name: options.pop(name) for name in READING}
    return Reading(shape=given.pop("picture_shape"), **given)


def as_options(reading: Reading) -> list[str]:
    """The same on a command line."""
    words = [] if reading.plain or reading.mean or reading.std else ["--pixels", reading.pixels]
    for name, numbers in (("--mean", reading.mean), ("--std", reading.std)):
        words += [name, ",".join(map(repr, numbers))] if numbers else []
    words += ["--layout", reading.layout] if reading.layout else []
    words += ["--shape", format_shape(reading.shape)] if reading.shape else []
    words += ["--blue-first"] if reading.blue_first else []
    return words + (["--output", reading.output] if reading.output else [])


reading_options = gathered("reading", READING.values(), make_reading)
