"""Letters, which v1 never knew."""
