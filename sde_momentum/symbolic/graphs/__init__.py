"""Contracted tensor graphs, the operators made of them, and the expressions of a limit."""
