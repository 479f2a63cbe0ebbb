"""A module that calls another service."""
