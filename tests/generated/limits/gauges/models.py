"""Nothing is kept."""
