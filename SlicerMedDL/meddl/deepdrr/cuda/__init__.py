"""CUDA kernels of DeepDRR and the device that runs them."""
