"""Depth from one picture by a small network that colour and depth pairs teach."""
