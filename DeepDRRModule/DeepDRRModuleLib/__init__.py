"""Helpers of the module DeepDRRModule: radiograph nodes, C-arm nodes, pictures of the CT check."""
