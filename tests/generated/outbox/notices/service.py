"""The way in for other modules: there is none."""
