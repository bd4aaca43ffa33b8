"""Transition operators, in moving frames or on a box: nothing is sampled."""
