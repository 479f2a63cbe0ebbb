"""The scalability checklist, executable: what the article asks of a service, with evidence.

`rules/` holds the promises, `facts/` what is read from a service's files, `formats/` the ways to
tell. Nothing here runs a service's code, but for `--import-app`.
"""
