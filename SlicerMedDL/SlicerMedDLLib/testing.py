"""For the tests that run inside Slicer, whose Python may lack what MedDL installs on request."""

from __future__ import annotations

import unittest

from meddl.core.optional import BASE, EXTRAS, is_installed


def missing(*names: str) -> list[str]:
    """The pip names of what cannot be imported: the library's own packages and ``names``.

    Args:
        names: import names of optional packages, such as ``"torch"``.
    """
    needed = [name for name, (_, extra) in EXTRAS.items() if extra == BASE or name in names]
    return [EXTRAS[name][0] for name in needed if not is_installed(name)]


def skip_without(*names: str) -> None:
    """Skip the tests of a file (called by ``setUpModule``) or one test, and say why.

    Raises:
        unittest.SkipTest: the library's own packages or ``names`` are not all installed.
    """
    absent = missing(*names)
    if absent:
        raise unittest.SkipTest(
            f"needs {', '.join(absent)}, not in this Python (in Slicer: MedDL Home, Install)"
        )
