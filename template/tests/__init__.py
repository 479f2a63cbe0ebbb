"""The tests of this service; `make test` runs them."""
