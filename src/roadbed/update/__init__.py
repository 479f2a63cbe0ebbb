"""`update` and `status`: newer template versions come into a service, and nothing is lost.

Copier renders the old and the new version, git merges the difference into the service's branch.
"""
