"""Keep the test users of an auth service true to one JSON catalog."""
