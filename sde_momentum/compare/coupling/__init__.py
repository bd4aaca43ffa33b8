"""Processes on one noise."""
