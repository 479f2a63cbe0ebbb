"""What this service reads from its environment. Add the team's own settings here."""

from .kit.settings import KitSettings


class Settings(KitSettings):
    """The kit's settings and the team's own: each field is an environment variable."""
