"""`python -m roadbed`."""

from roadbed.cli import app

app(prog_name="roadbed")
