"""Sixteen numbers mod p in one register: the arithmetic of the kernels, as LLVM's vector code.

LLVM vectorises a loop over Montgomery products badly: it widens every factor to 64 bits, and packs
every result again. The functions here emit what one would write by hand. The even lanes of a vector
of 32-bit numbers, seen as 64-bit numbers, need no move at all before they are multiplied, and the
odd ones a shift; two vectors of 64-bit sums are joined by one shuffle. LLVM lowers vectors to
whatever registers the processor has, so there is one code for all.

Every function takes numbers of one of two kinds, and returns that kind: `uint32`, one number, or
`Vector`, `LANES` of them. A kernel's body is therefore written once, and runs over the whole
vectors of its range and then over the single numbers that are left. A `Uniform` is a vector whose
lanes are equal. Numbers are below p before and after every function that does not say otherwise.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types as _untyped_types
from numba.core import cgutils as _untyped_cgutils
from numba.core import datamodel as _untyped_datamodel
from numba.core import errors as _untyped_errors
from numba.core.extending import intrinsic as _untyped_intrinsic

from wmproof.argument.algebra.field import P
from wmproof.errors import InputError

if sys.byteorder != "little":  # lanes of a vector would change places
    raise InputError("claims are made on little-endian processors only; any processor verifies")

cgutils: Any = _untyped_cgutils
datamodel: Any = _untyped_datamodel
errors: Any = _untyped_errors
intrinsic: Any = _untyped_intrinsic
types: Any = _untyped_types
LANES = 16
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_NARROW, _WIDE = ir.VectorType(_I32, LANES), ir.VectorType(_I64, LANES // 2)
_LOW = 2**32 - 1
_P_INVERSE = pow(P, -1, 2**32)
_ODD = [i + 1 if i % 2 == 0 else i + LANES for i in range(LANES)]
_EVEN = [i if i % 2 == 0 else i + LANES - 1 for i in range(LANES)]


class _Vector(types.Type):  # type: ignore[misc]
    """A register's type."""


Vector, Uniform, Sums = _Vector("Vector"), _Vector("Uniform"), _Vector("Sums")
_MODELS = {Vector: _NARROW, Uniform: _NARROW, Sums: _WIDE}


@datamodel.register_default(_Vector)
class _Model(datamodel.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Vector) -> None:
        super().__init__(manager, kind, _MODELS[kind])


# --- LLVM code for values of either kind: i32, or 16 x i32; `wide` ones are lists of i64 or 8 x i64


def _constant(kind: Any, value: int) -> Any:
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [ir.Constant(kind.element, value)] * kind.count)
    return ir.Constant(kind, value)


def _halves(b: Any, value: Any, *, uniform: bool = False) -> list[Any]:
    """The number, or the even and the odd lanes, in 64 bits each."""
    if value.type == _I32:
        return [b.zext(value, _I64)]
    wide = b.bitcast(value, _WIDE)
    even = b.and_(wide, _constant(_WIDE, _LOW))
    # Outside a loop LLVM would move the shift, and then not know that it left 32 bits.
    return [even, even] if uniform else [even, b.lshr(wide, _constant(_WIDE, 32))]


def _shuffled(b: Any, pair: Sequence[Any], places: Sequence[int]) -> Any:
    """Lanes of two vectors, of which the second one's places come after the first one's."""
    indices = [ir.Constant(_I32, i) for i in places]
    return b.shuffle_vector(*pair, ir.Constant(_NARROW, indices))


def _joined(b: Any, wide: Sequence[Any], places: Sequence[int]) -> Any:
    return _shuffled(b, [b.bitcast(half, _NARROW) for half in wide], places)


def _high(b: Any, wide: Sequence[Any]) -> Any:
    if len(wide) == 1:
        return b.trunc(b.lshr(wide[0], _constant(_I64, 32)), _I32)
    return _joined(b, wide, _ODD)


def _low(b: Any, wide: Sequence[Any]) -> Any:
    return b.trunc(wide[0], _I32) if len(wide) == 1 else _joined(b, wide, _EVEN)


def _smaller(b: Any, x: Any, y: Any) -> Any:
    return b.select(b.icmp_unsigned("<", x, y), x, y)


def _add(b: Any, x: Any, y: Any) -> Any:
    total = b.add(x, y)
    return _smaller(b, total, b.sub(total, _constant(total.type, P)))


def _subtract(b: Any, x: Any, y: Any) -> Any:
    difference = b.sub(x, y)
    return _smaller(b, difference, b.add(difference, _constant(difference.type, P)))


def _products(b: Any, pairs: Sequence[tuple[Any, Any]], uniform: bool) -> list[Any]:
    """Sum of up to four products, below 4 p^2 < 2^64."""
    total: list[Any] = []
    for x, y in pairs:
        factors = zip(_halves(b, x), _halves(b, y, uniform=uniform), strict=True)
        product = [b.mul(s, t) for s, t in factors]
        total = [b.add(s, t) for s, t in zip(total, product, strict=True)] if total else product
    return total


def _times_p(b: Any, value: Any) -> list[Any]:
    return [b.mul(half, _constant(half.type, P)) for half in _halves(b, value)]


def _reduced(b: Any, wide: Sequence[Any]) -> Any:
    """A sum of four products over 2^32, mod p: high part less that of its multiple of p."""
    low, high = _low(b, wide), _high(b, wide)
    borrowed = _high(b, _times_p(b, b.mul(low, _constant(low.type, _P_INVERSE))))
    return _subtract(b, _smaller(b, high, b.sub(high, _constant(high.type, P))), borrowed)


def _product(b: Any, x: Any, y: Any, quotient: Any, uniform: bool) -> Any:
    """One product over 2^32, where the multiple of p that is subtracted is known already."""
    wide = zip(_products(b, [(x, y)], uniform), _times_p(b, quotient), strict=True)
    difference = _high(b, [b.sub(s, t) for s, t in wide])
    return _smaller(b, difference, b.add(difference, _constant(difference.type, P)))


# --- what kernels call


def _result(*kinds: Any) -> Any:
    if Vector in kinds:
        return Vector
    return Uniform if Uniform in kinds else types.uint32


def _function(emit: Callable[..., Any]) -> Callable[[Sequence[Any]], Any]:
    """The pair that Numba wants, of a function of numbers."""

    def define(kinds: Sequence[Any]) -> Any:
        uniform = Uniform in kinds
        kinds = [kind if isinstance(kind, _Vector) else types.uint32 for kind in kinds]

        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            return emit(builder, list(values), uniform)

        return _result(*kinds)(*kinds), generate

    return define


@intrinsic
def add(_context, x, y):  # type: ignore[no-untyped-def]
    """X + y."""
    return _function(lambda b, v, _: _add(b, *v))([x, y])


@intrinsic
def sub(_context, x, y):  # type: ignore[no-untyped-def]
    """X - y."""
    return _function(lambda b, v, _: _subtract(b, *v))([x, y])


@intrinsic
def loose_difference(_context, x, y):  # type: ignore[no-untyped-def]
    """X - y + p, below 2 p: a first factor for `mul`."""
    return _function(lambda b, v, _: b.sub(b.add(v[0], _constant(v[0].type, P)), v[1]))([x, y])


@intrinsic
def mul(_context, x, y, quotient):  # type: ignore[no-untyped-def]
    """X y / 2^32, for any 32-bit x, and y and `quotient_of(y)`, uniform or one number each."""

    def emit(b: Any, v: list[Any], uniform: bool) -> Any:
        return _product(b, v[0], v[1], b.mul(v[0], v[2]), uniform)

    return _function(emit)([x, y, quotient])


@intrinsic
def dot(_context, a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    """(a b + c d + e f + g h) / 2^32, where b, d, f, h are all uniform or none is."""

    def emit(builder: Any, v: list[Any], uniform: bool) -> Any:
        return _reduced(
            builder, _products(builder, list(zip(v[::2], v[1::2], strict=True)), uniform)
        )

    return _function(emit)([a, b, c, d, e, f, g, h])


@intrinsic
def quotient_of(_context, y):  # type: ignore[no-untyped-def]
    """Y / p mod 2^32: times x, what says which multiple of p goes from x y."""
    return _function(lambda b, v, _: b.mul(v[0], _constant(v[0].type, _P_INVERSE)))([y])


@intrinsic
def uniform(_context, number):  # type: ignore[no-untyped-def]
    """A number in every lane."""
    return Uniform(types.uint32), lambda _context, b, _, values: _in_every_lane(b, values[0])


def _in_every_lane(b: Any, number: Any) -> Any:
    undefined = ir.Constant(_NARROW, ir.Undefined)
    first = b.insert_element(undefined, number, ir.Constant(_I32, 0))
    return b.shuffle_vector(first, undefined, _constant(_NARROW, 0))


@intrinsic
def vector(_context):  # type: ignore[no-untyped-def]
    """A vector of zeros, to say which kind is wanted."""
    return Vector(), lambda *_: _constant(_NARROW, 0)


@intrinsic
def wrapping_sum(_context, x, y):  # type: ignore[no-untyped-def]
    """X + y mod 2^32, of words; of two numbers below p, a first factor for `mul`."""
    return _function(lambda b, v, _: b.add(*v))([x, y])


@intrinsic
def xor(_context, x, y):  # type: ignore[no-untyped-def]
    """The exclusive or of words."""
    return _function(lambda b, v, _: b.xor(*v))([x, y])


@intrinsic(prefer_literal=True)
def rotated(_context, x, bits):  # type: ignore[no-untyped-def]
    """Words rotated to the right by a literal number of bits, 1 to 31."""
    if not isinstance(bits, types.IntegerLiteral):
        return None
    right = bits.literal_value

    def generate(_context: Any, b: Any, _signature: Any, values: Any) -> Any:
        kind = values[0].type
        high = b.shl(values[0], _constant(kind, 32 - right))
        return b.or_(b.lshr(values[0], _constant(kind, right)), high)

    return x(x, bits), generate


@intrinsic
def residue(_context, x):  # type: ignore[no-untyped-def]
    """Of words between -p and p, as signed numbers, what they are mod p."""

    def emit(b: Any, v: list[Any], _: bool) -> Any:
        return _smaller(b, v[0], b.add(v[0], _constant(v[0].type, P)))

    return _function(emit)([x])


@intrinsic
def add_pairs(_context, sums, xs, words, index):  # type: ignore[no-untyped-def]
    """The l-th sum, a vector of words, and products of the k-th x and the word at (i + k, j + l).

    A product is that of the low halves and that of the high halves, signed, added up mod 2^32.
    """
    _check_layout(words)

    def generate(context: Any, b: Any, signature: Any, values: Any) -> Any:
        totals, vectors = (cgutils.unpack_tuple(b, value) for value in values[:2])
        row, column = _index(context, b, index, values[3])
        add = _adder_of_pairs(context.codegen().magic_tuple()[2])
        for k, x in enumerate(vectors):
            for i, total in enumerate(totals):
                place = [b.add(row, row.type(k)), b.add(column, column.type(i))]
                word = b.load(_address(context, b, words, values[2], place, types.uint32))
                totals[i] = add(b, total, x, _in_every_lane(b, word))
        return context.make_tuple(b, signature.return_type, totals)

    return sums(sums, xs, words, index), generate


def _adder_of_pairs(features: str) -> Callable[..., Any]:
    """What the processor does best; LLVM does not always find it in sums of products."""
    if "+avx512vnni" in features:
        return _added_pairs
    return _added_products if "+avx512bw" in features else _added_halves


def _called(b: Any, name: str, kind: Any, values: Sequence[Any]) -> Any:
    signature = ir.FunctionType(_NARROW, [kind] * len(values))
    function = cgutils.get_or_insert_function(b.module, signature, f"llvm.x86.avx512.{name}.512")
    return b.call(function, [b.bitcast(value, kind) for value in values])


def _added_pairs(b: Any, total: Any, x: Any, y: Any) -> Any:
    return _called(b, "vpdpwssd", _NARROW, [total, x, y])


def _added_products(b: Any, total: Any, x: Any, y: Any) -> Any:
    return b.add(total, _called(b, "pmaddw.d", ir.VectorType(ir.IntType(16), 2 * LANES), [x, y]))


def _added_halves(b: Any, total: Any, x: Any, y: Any) -> Any:
    half = _constant(_NARROW, 16)
    low = b.mul(*(b.ashr(b.shl(value, half), half) for value in (x, y)))
    return b.add(total, b.add(low, b.mul(b.ashr(x, half), b.ashr(y, half))))


@intrinsic
def transposed(_context, rows):  # type: ignore[no-untyped-def]
    """`LANES` vectors, the i-th of lanes i of the given ones."""

    def generate(context: Any, b: Any, signature: Any, values: Any) -> Any:
        now = cgutils.unpack_tuple(b, values[0])
        step = 1
        while step < LANES:
            # Bit `step` of a vector's number changes places with that of a lane's.
            low = [i if not i & step else i - step + LANES for i in range(LANES)]
            high = [i + step if not i & step else i + LANES for i in range(LANES)]
            for i in range(LANES):
                if not i & step:
                    pair = now[i], now[i + step]
                    now[i], now[i + step] = (_shuffled(b, pair, places) for places in (low, high))
            step *= 2
        return context.make_tuple(b, signature.return_type, now)

    return rows(rows), generate


def _check_layout(array: Any) -> None:
    """Lanes are neighbours in memory, which only the C order says of an array's last axis."""
    if array.layout != "C":
        raise errors.TypingError(f"a register takes arrays in C order, not {array}")


def _index(context: Any, b: Any, kind: Any, value: Any) -> list[Any]:
    parts = zip(kind, cgutils.unpack_tuple(b, value), strict=True)
    return [context.cast(b, part, own, types.intp) for own, part in parts]


def _address(context: Any, b: Any, kind: Any, value: Any, index: Sequence[Any], like: Any) -> Any:
    """Pointer to a place of an array, or to all lanes from there on."""
    array = context.make_array(kind)(context, b, value)
    place = cgutils.get_item_pointer(context, b, kind, array, index)
    if like is types.uint32:
        return place
    lanes = _MODELS[like].count
    return b.bitcast(place, ir.VectorType(place.type.pointee, lanes).as_pointer())


def _loaded(context: Any, b: Any, kind: Any, value: Any, index: Sequence[Any], like: Any) -> Any:
    place = _address(context, b, kind, value, index, like)
    number = b.load(place, align=kind.dtype.bitwidth // 8)
    wanted = _I32 if like is types.uint32 else _NARROW
    return number if number.type == wanted else b.zext(number, wanted)


@intrinsic
def load(_context, array, index, like):  # type: ignore[no-untyped-def]
    """The number at an index of an unsigned array, or as many as `like` has from there on."""
    _check_layout(array)
    kind = like if isinstance(like, _Vector) else types.uint32

    def generate(context: Any, b: Any, signature: Any, values: Any) -> Any:
        return _loaded(context, b, array, values[0], _index(context, b, index, values[1]), kind)

    return kind(array, index, kind), generate


@intrinsic
def store(_context, array, index, value):  # type: ignore[no-untyped-def]
    """Put it, or all its lanes, at an index of a uint32 array and behind it."""
    _check_layout(array)
    kind = value if isinstance(value, _Vector) else types.uint32

    def generate(context: Any, b: Any, signature: Any, values: Any) -> Any:
        place = _index(context, b, index, values[1])
        b.store(values[2], _address(context, b, array, values[0], place, kind), align=4)
        return context.get_dummy_value()

    return types.void(array, index, kind), generate


@intrinsic(prefer_literal=True)
def load_rows(_context, array, index, count):  # type: ignore[no-untyped-def]
    """A literal number of vectors: at (i, j), (i + 1, j) and so on of an unsigned matrix."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    _check_layout(array)
    rows = types.UniTuple(Vector, count.literal_value)

    def generate(context: Any, b: Any, signature: Any, values: Any) -> Any:
        row, column = _index(context, b, index, values[1])
        vectors = [
            _loaded(context, b, array, values[0], [b.add(row, row.type(i)), column], Vector)
            for i in range(rows.count)
        ]
        return context.make_tuple(b, rows, vectors)

    return rows(array, index, count), generate


@intrinsic
def store_rows(_context, array, index, vectors):  # type: ignore[no-untyped-def]
    """Put vectors at (i, j), (i + 1, j) and so on of a uint32 matrix."""
    _check_layout(array)

    def generate(context: Any, b: Any, signature: Any, values: Any) -> Any:
        row, column = _index(context, b, index, values[1])
        for i, vector in enumerate(cgutils.unpack_tuple(b, values[2])):
            place = [b.add(row, row.type(i)), column]
            b.store(vector, _address(context, b, array, values[0], place, Vector), align=4)
        return context.get_dummy_value()

    return types.void(array, index, vectors), generate


# --- long sums: of numbers, or of products that are reduced once at the end


@intrinsic
def no_sums(_context, like):  # type: ignore[no-untyped-def]
    """Zero sums, for numbers of the kind of `like`."""
    kind = Sums if isinstance(like, _Vector) else types.uint64
    zero = _constant(_WIDE if kind is Sums else _I64, 0)
    return kind(like), lambda *_: zero


@intrinsic
def add_products(_context, sums, x, y):  # type: ignore[no-untyped-def]
    """A pair of sums, of even and of odd lanes, with x y more each, without any reduction."""

    def generate(context: Any, b: Any, signature: Any, values: Any) -> Any:
        pair = zip(
            cgutils.unpack_tuple(b, values[0]),
            _halves(b, values[1]),
            _halves(b, values[2], uniform=y is Uniform),
            strict=True,
        )
        sums = [b.add(s, b.mul(p, q)) for s, p, q in pair]
        return context.make_tuple(b, signature.return_type, sums)

    return sums(sums, x, y), generate


@intrinsic
def load_pair(_context, array, index):  # type: ignore[no-untyped-def]
    """What `store_pair` put into a matrix of uint64."""
    _check_layout(array)
    pair = types.UniTuple(Sums, 2)

    def generate(context: Any, b: Any, _signature: Any, values: Any) -> Any:
        places = _pair_places(context, b, array, values[0], _index(context, b, index, values[1]))
        return context.make_tuple(b, pair, [b.load(place, align=8) for place in places])

    return pair(array, index), generate


@intrinsic
def store_pair(_context, array, index, sums):  # type: ignore[no-untyped-def]
    """Put a pair of sums, that of even lanes first, at an index of a matrix of uint64."""
    _check_layout(array)

    def generate(context: Any, b: Any, _signature: Any, values: Any) -> Any:
        places = _pair_places(context, b, array, values[0], _index(context, b, index, values[1]))
        for place, half in zip(places, cgutils.unpack_tuple(b, values[2]), strict=True):
            b.store(half, place, align=8)
        return context.get_dummy_value()

    return types.void(array, index, sums), generate


def _pair_places(context: Any, b: Any, kind: Any, value: Any, index: Sequence[Any]) -> list[Any]:
    row, column = index
    indices = [[row, b.add(column, column.type(i * LANES // 2))] for i in range(2)]
    return [_address(context, b, kind, value, place, Sums) for place in indices]


@intrinsic
def add_dot(_context, sums, a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    """Two sums, of products mod 2^64 and of their high halves, with a b + c d + e f + g h more."""
    kinds = [x if isinstance(x, _Vector) else types.uint32 for x in (a, b, c, d, e, f, g, h)]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        low, high = cgutils.unpack_tuple(builder, values[0])
        factors = list(zip(values[1::2], values[2::2], strict=True))
        for half in _products(builder, factors, uniform=False):
            low = builder.add(low, half)
            high = builder.add(high, builder.lshr(half, _constant(half.type, 32)))
        return context.make_tuple(builder, signature.return_type, (low, high))

    return sums(sums, *kinds), generate


@intrinsic
def total(_context, sums):  # type: ignore[no-untyped-def]
    """All lanes' sums in one, mod 2^64."""

    def generate(_context: Any, b: Any, _signature: Any, values: Any) -> Any:
        if values[0].type == _I64:
            return values[0]
        lanes = [b.extract_element(values[0], ir.Constant(_I32, i)) for i in range(LANES // 2)]
        while len(lanes) > 1:
            lanes = [b.add(x, y) for x, y in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    return types.uint64(sums), generate
