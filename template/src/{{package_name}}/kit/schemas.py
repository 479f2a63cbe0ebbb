"""What the bodies of all modules have in common."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


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


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time that no calendar has") from None


# A time that a client sends, with its zone; it is answered as it is stored.
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
