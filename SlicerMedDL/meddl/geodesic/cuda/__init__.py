"""CUDA sources of :mod:`meddl.geodesic.sweeps_cuda`."""
