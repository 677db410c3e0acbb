"""Sections of the panel, one file each."""
