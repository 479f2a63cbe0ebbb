"""Charges that go wrong in every way: copied into the service. It has no table of its own."""
