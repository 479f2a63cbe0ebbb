"""Parcels, which v2 tells about in another way."""
