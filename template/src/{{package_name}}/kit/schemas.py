"""What the bodies of all modules have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Input(BaseModel):
    """What a client sends. A field that nobody knows is an error, not a silence."""

    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """The fields that the client did send."""
        return self.model_dump(exclude_unset=True)


class Output(BaseModel):
    """What a client receives, read from a row."""

    model_config = ConfigDict(from_attributes=True)


def left_out() -> Any:  # noqa: ANN401
    """The default of a field that a PATCH may leave out. Null is not leaving it out."""
    return None
