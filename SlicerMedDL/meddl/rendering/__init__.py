"""Rendered scenes with exact depth and pose: a camera that carries its light before surfaces."""
