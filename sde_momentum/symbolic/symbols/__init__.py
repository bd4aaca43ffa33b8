"""Symbols, their letters, and the exact field of coefficients."""
