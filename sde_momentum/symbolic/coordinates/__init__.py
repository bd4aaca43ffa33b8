"""The second route: the same equations in coordinates, by code that shares nothing with the graphs."""
