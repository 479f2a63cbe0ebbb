"""A service's incidents: entries in its RUNBOOK.md, written in a minute and found in a second.

Nothing in here knows the command line, and nothing reads or writes but `storage.py` and `places.py`.
"""
