"""Claims over O(1/η) steps: what the equations say of momentum."""
