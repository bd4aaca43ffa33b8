"""Every limit of the catalogue in numbers."""
