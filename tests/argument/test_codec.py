"""Field elements have one encoding, and nothing else is read as one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import COEFFICIENT, ELEMENT

from wmproof.argument import codec
from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import elements_of, vector_of
from wmproof.argument.algebra.field import P
from wmproof.errors import ProofError


@settings(max_examples=50, deadline=None)
@given(st.lists(COEFFICIENT, max_size=20))
def test_base_elements_come_back(values: list[int]) -> None:
    data = codec.encode_base(np.array(values, np.uint32))
    assert data == b"".join(v.to_bytes(4, "little") for v in values)
    assert codec.decode_base(data, "m").tolist() == values


@settings(max_examples=50, deadline=None)
@given(st.lists(ELEMENT, max_size=8))
def test_elements_come_back(elements: list[Element]) -> None:
    data = codec.encode_elements(elements)
    assert len(data) == codec.element_bytes(len(elements))
    assert data == b"".join(c.to_bytes(4, "little") for e in elements for c in e)
    assert codec.decode_elements(data, "m") == elements


@settings(max_examples=50, deadline=None)
@given(st.lists(ELEMENT, min_size=1, max_size=8))
def test_vectors_and_elements_have_the_same_bytes(elements: list[Element]) -> None:
    data = codec.encode_vector(vector_of(elements))
    assert data == codec.encode_elements(elements)
    decoded = codec.decode_vector(data, "m")
    assert decoded.shape == (4, len(elements))
    assert elements_of(decoded) == elements


@settings(max_examples=50, deadline=None)
@given(st.integers(P, 2**32 - 1), st.integers(0, 7))
def test_p_or_more_is_an_error_that_says_where(value: int, index: int) -> None:
    words = [1] * 8
    words[index] = value
    data = b"".join(w.to_bytes(4, "little") for w in words)
    for decode in (codec.decode_base, codec.decode_elements, codec.decode_vector):
        with pytest.raises(ProofError, match="message 'm' holds a field element") as error:
            decode(data, "m")
        assert error.value.where == f"element {index}"


def test_the_largest_element_is_p_minus_one() -> None:
    assert codec.decode_base((P - 1).to_bytes(4, "little"), "m").tolist() == [P - 1]


def test_rows_are_encoded_in_c_order_whatever_their_layout() -> None:
    values = np.arange(12, dtype=np.uint32).reshape(3, 4)
    expected = b"".join(int(v).to_bytes(4, "little") for v in values.T.reshape(-1))
    assert codec.encode_base(values.T) == expected
