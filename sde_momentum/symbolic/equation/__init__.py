"""From the one-step operator to the equation, or to the obstruction."""
