"""Claims over O(1/η²) steps: the implicit regularizer."""
