"""Limits and obstructions as JSON and back."""
