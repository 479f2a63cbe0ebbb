"""Random definitions of resources, for tests and bench: what people may think of, and worse."""

import re
from dataclasses import dataclass

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from roadbed.adding.names import AUDITED, SQL_RESERVED, check_field, check_noun
from roadbed.errors import RoadbedError
from roadbed.template import CHECKOUT


@dataclass(frozen=True)
class Definition:
    """A resource as it is asked for: a noun, fields in the notation, unique ones."""

    noun: str
    fields: list[str]
    unique: list[str]

    @property
    def words(self) -> list[str]:
        """What follows the noun on the command line."""
        return [*self.fields, *(word for name in self.unique for word in ("--unique", name))]


# Nouns that the template refuses.
_TAKEN = frozenset(
    yaml.safe_load(yaml.safe_load((CHECKOUT / "copier.yml").read_text())["taken_nouns"]["default"])
)


def _good(name: str) -> bool:
    try:
        check_field(name, "resource")
    except RoadbedError:
        return False
    return True


def _singular(noun: str) -> bool:
    try:
        check_noun(noun, f"{noun}s")
    except RoadbedError:
        return False
    return noun not in AUDITED | SQL_RESERVED | _TAKEN


_WORD = st.text("abdegiklmnoprtuvwxyz", min_size=3, max_size=8)
# Hard ones among them: PostgreSQL's other keywords, names of types, names that the files use.
_HARD_WORDS = (
    "time position precision text type name value values status index number character interval "
    "row rows level access action data hash next service caller session request response text sa op "
    "revision upgrade now payment payments count router column limit_ key keys items item_id none"
)
_HARD = st.sampled_from(_HARD_WORDS.split())
_PLAIN_TYPES = "text int bigint bool date datetime uuid json"
NOUNS = st.lists(_WORD, min_size=1, max_size=2).map("_".join).filter(_singular)
_NAMES = st.one_of(_HARD, st.lists(_WORD, min_size=1, max_size=3).map("_".join)).filter(_good)
_VALUE = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,14}[A-Za-z0-9])?", fullmatch=True)
_TYPES = st.one_of(
    st.sampled_from(_PLAIN_TYPES.split()),
    st.integers(1, 10_000).map("str({})".format),
    st.integers(1, 28).flatmap(
        lambda digits: st.integers(0, digits).map(lambda scale: f"decimal({digits},{scale})")
    ),
    st.lists(_VALUE, min_size=2, max_size=12, unique=True).map(
        lambda values: f"enum({','.join(values)})"
    ),
)
_UNIQUE = st.sampled_from(["str(200)", "str(9)", "str(3)", "int", "bigint", "uuid"])


@st.composite
def definitions(draw: st.DrawFn, size: int) -> list[Definition]:
    """Several resources, of which later ones refer to earlier ones."""
    nouns = draw(st.lists(NOUNS, min_size=size, max_size=size, unique_by=lambda noun: noun[:3]))
    made = []
    for number, noun in enumerate(nouns):
        names = draw(st.lists(_NAMES, min_size=1, max_size=7, unique=True))
        fields = [
            _allowed(f"{name}:{draw(_TYPES)}{draw(st.sampled_from(['', '?']))}") for name in names
        ]
        parents = draw(
            st.lists(st.sampled_from(["payment", *nouns[:number]]), max_size=2, unique=True)
        )
        fields += [f"{parent}:ref{draw(st.sampled_from(['', '?']))}" for parent in parents]
        further = draw(st.lists(_NAMES, max_size=2, unique=True))
        taken = {*names, *parents, *(f"{parent}_id" for parent in parents)}
        unique = [_allowed(f"{name}:{draw(_UNIQUE)}") for name in further if name not in taken]
        fields = [
            each for each in fields if each.partition(":")[0] not in {f"{p}_id" for p in parents}
        ]
        seen: set[str] = set()
        kept = []
        for each in fields:
            name = each.partition(":")[0]
            if name not in seen:
                seen.add(name)
                kept.append(each)
        made.append(Definition(noun, draw(st.permutations(kept)), unique))
    return made


def _allowed(field: str) -> str:
    """An id is no number."""
    return re.sub(r"((?:^|_)ids?):((big)?int\b|decimal\([^)]*\))", r"\1:uuid", field)


def sampled(count: int, size: int, *, anew: bool = False) -> list[list[Definition]]:
    """So many times several resources; the simplest, with which Hypothesis begins, are left out."""
    found: list[list[Definition]] = []

    @given(definitions(size))
    @settings(
        max_examples=count + 3,
        database=None,
        deadline=None,
        derandomize=not anew,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(each: list[Definition]) -> None:
        found.append(each)

    collect()
    return found[-count:]
