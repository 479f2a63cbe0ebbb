"""A module that writes a payment, tells others of it, and then goes on as `X-Then` says."""
