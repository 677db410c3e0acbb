"""Files that are either whole or not there."""

from __future__ import annotations

import pytest

from meddl.core.errors import FileError
from meddl.core.files import existing_file, writable_parent


def test_the_reason_is_said_once(tmp_path):
    """FileError is a ValueError too, which an outer handler must not wrap again."""
    with pytest.raises(FileError, match=r"^volume not found: "):
        existing_file(tmp_path / "none", "volume")
    with pytest.raises(FileError, match=r"^the folder .* does not exist"):
        writable_parent(tmp_path / "none" / "out.tiff")
    with pytest.raises(FileError, match="no file name|not found"):
        existing_file("a\0b")
