"""The steps of the panel."""
