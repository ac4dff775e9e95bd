"""The same work done by others: a function that makes a callable, or None where there is none."""
