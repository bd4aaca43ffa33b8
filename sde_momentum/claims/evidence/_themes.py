"""The headings of the report."""

EQUATIONS = "Over O(1/η) steps: what the equations say of momentum"
SLOW = "Over O(1/η²) steps: the implicit regularizer"
FINITE = "At finite learning rates: stability, oscillation, tuning"
BOUNDARY = "Where it ends: slower momentum, schedules, adaptive methods"
