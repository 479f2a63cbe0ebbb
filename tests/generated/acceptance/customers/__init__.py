"""A parent and its children, which the default module has not: copied into the service."""
