"""The slow equation on the manifold of minimizers."""
