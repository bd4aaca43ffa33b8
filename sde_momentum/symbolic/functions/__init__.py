"""Elementwise functions in canonical form, so that what cancels is seen to cancel."""
