"""Keep the test users of an auth service true to one JSON catalog."""

__version__ = "0.1.0"
