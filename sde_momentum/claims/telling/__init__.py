"""The claims told one after the other: registry, store, report."""
