"""Stands for ``meddl`` in a process that a panel starts: see ``__main__``."""
