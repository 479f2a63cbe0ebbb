"""Routes that go wrong, each in its own way: copied into the service. It has no tables."""
