"""The ensemble runner: batches of paths in one solve, streaming moments, results as labelled data sets."""
