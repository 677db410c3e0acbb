"""Package faces that import their parts on first use.

``import meddl.core`` must stay cheap (no torch, no numba, no SimpleITK), yet
``from meddl.core import Image`` must work. PEP 562 module attributes give both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, names_of_module: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for the ``__init__.py`` of ``package``.

    Args:
        package: the package's ``__name__``.
        names_of_module: submodule name -> the public names that it defines.

    Raises:
        ValueError: a name equals a submodule's, which would shadow it once that is imported.
    """
    shadowed = {name for names in names_of_module.values() for name in names} & set(names_of_module)
    if shadowed:
        raise ValueError(f"{package} exports names of its own submodules: {sorted(shadowed)}")
    module_of_name = {name: mod for mod, names in names_of_module.items() for name in names}

    def getattr_(name: str) -> Any:
        if name in module_of_name:
            return getattr(import_module(f"{package}.{module_of_name[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    names = sorted(module_of_name)
    return getattr_, lambda: names, names
