"""The table of speeds: `python -m tests.benchmarks` measures it and leaves it as JSON in `results/`."""
