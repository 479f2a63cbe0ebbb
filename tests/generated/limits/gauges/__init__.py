"""A module whose routes are limited in every way."""
