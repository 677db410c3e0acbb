"""What the comparisons of desmoking share: frames, smoke and the methods that are compared."""
