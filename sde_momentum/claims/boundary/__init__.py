"""Claims about where it ends: slower momentum, schedules, adaptive methods."""
