"""Roadbed stamps out production Python web services, and keeps them up to date."""
