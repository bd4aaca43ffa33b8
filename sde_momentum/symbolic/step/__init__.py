"""One step of a rule as an operator, with its fast variables eliminated."""
