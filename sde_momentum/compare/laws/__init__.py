"""Distances between laws, and identities of stationary ones."""
