"""``--long``: adds the tests marked ``long`` (soak, fuzz and fault suites), and more examples."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="add the soak, fuzz and fault suites")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        from hypothesis import settings

        import properties

        settings.load_profile(properties.LONG)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]
