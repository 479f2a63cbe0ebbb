"""Tools of the developer's machine. Nothing in here is deployed."""
