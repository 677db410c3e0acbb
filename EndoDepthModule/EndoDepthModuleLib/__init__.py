"""Logic and panel of EndoDepthModule."""
