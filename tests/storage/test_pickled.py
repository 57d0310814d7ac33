import pickle
from collections import OrderedDict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.storage.pickled import SuspiciousError, TensorOutline, demand, outline_of_pickle
from tests.storage.hostile import tensor

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(PLAIN)
def test_plain_values_come_back(value: object) -> None:
    assert outline_of_pickle(pickle.dumps(value, 2), {}) == value


def test_ordered_dicts_come_back_as_dicts() -> None:
    assert outline_of_pickle(pickle.dumps(OrderedDict(a=1, b=[2]), 2), {}) == {"a": 1, "b": [2]}


@pytest.mark.parametrize("value", [{1, 2}, b"x", 1j, range(3), torch.float32, len, slice(3)])
def test_other_things_do_not(value: object) -> None:
    with pytest.raises((SuspiciousError, KeyError)):
        outline_of_pickle(pickle.dumps([value], 2), {})


@pytest.mark.parametrize(
    ("items", "offset", "shape", "stride", "fits"),
    [
        (4, 0, (2, 2), (2, 1), True),
        (4, 0, (2, 2), (1, 2), True),
        (4, 3, (1,), (1,), True),
        (4, 3, (), (), True),
        (4, 0, (0, 10**9), (1, 1), True),
        (4, 4, (), (), False),
        (4, 0, (2, 3), (3, 1), False),
        (4, 1, (4,), (1,), False),
        (4, 0, (2,), (4,), False),
        (4, 0, (5,), (0,), False),
        (5, 0, (1,), (1,), False),
        (3, 0, (1,), (1,), False),
    ],
)
def test_a_tensor_has_no_more_values_than_its_storage(
    items: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], fits: bool
) -> None:
    data = b"\x80\x02" + tensor(items, offset, shape, stride) + b"."
    if fits:
        assert outline_of_pickle(data, {"0": 16}) == TensorOutline(shape, "FloatStorage")
    else:
        with pytest.raises(SuspiciousError, match="larger than the values"):
            outline_of_pickle(data, {"0": 16})


def test_demand_says_what_is_wrong() -> None:
    demand(True, "never")
    with pytest.raises(SuspiciousError, match="so it is"):
        demand(False, "so it is")
