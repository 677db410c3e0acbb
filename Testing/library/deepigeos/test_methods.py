"""The registry of methods."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import InputError
from meddl.deepigeos import METHODS, make_method

from .simple_methods import Nearest, stubborn

IMAGE = np.zeros((3, 4, 5, 1), np.float32)


def test_a_callable_registers_under_a_name(monkeypatch):
    monkeypatch.setitem(METHODS, "mine", stubborn(0.25))
    method = make_method("mine", IMAGE, (1, 1, 1))
    assert (method(np.zeros((3, 4, 5), np.uint8)) == np.float32(0.25)).all()
    assert isinstance(make_method(Nearest, IMAGE, (1, 1, 1)), Nearest)


def test_an_unknown_name_and_a_wrong_image_are_refused():
    with pytest.raises(InputError, match=r"'magic'.*auto, geodesic"):
        make_method("magic", IMAGE, (1, 1, 1))
    with pytest.raises(InputError, match="float32"):
        make_method("geodesic", IMAGE[..., 0], (1, 1, 1))
