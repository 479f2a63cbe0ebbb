"""A module that has another service charge, writes a payment, and goes on as `X-Then` says."""
