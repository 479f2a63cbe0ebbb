"""No table of its own: the payments' is enough."""
