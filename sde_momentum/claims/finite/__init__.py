"""Claims at finite learning rates: stability, oscillation, tuning."""
