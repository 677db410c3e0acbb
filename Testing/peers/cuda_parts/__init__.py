"""What cuda_checks.py measures, one file per subject; each part yields rows as it goes."""
