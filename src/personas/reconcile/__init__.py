"""Compare a catalog with a service, and carry out the difference."""
