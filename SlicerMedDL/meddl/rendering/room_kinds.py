"""Numbers by which the arrays of a room name solids and patterns."""

from __future__ import annotations

BOX, CYLINDER, ELLIPSOID = range(3)
PLAIN, MOTTLED, WOOD, PLANKS, TILES, STRIPES, PATCHES = range(7)
