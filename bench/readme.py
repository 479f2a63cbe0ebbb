"""README's section on performance, made of the newest results: nobody types a figure."""

from __future__ import annotations

from pathlib import Path

from bench.results import RESULTS, profile_of, read, table

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- performance: written by `make bench` -->\n"
END = "<!-- performance ends -->\n"


def section(file: Path) -> str:
    """What README says of the results in `file`."""
    machine, results = read(file)
    where = (
        f"On {machine['date']}, on {machine['cores']} cores of {machine['system']}, with Python"
        f" {machine['python']}. Other work may have run beside it: ratios are of neighbouring runs."
    )
    charts = " · ".join(
        f"[{result.name}](bench/results/{file.stem}-{result.name}.svg)"
        for result in results
        if result.figures
    )
    failed = "".join(
        f"\nOf the rivals in `{result.name}`, {name} does not run: `{words}`\n"
        for result in results
        for name, words in result.failed.items()
    )
    profiles = " · ".join(
        f"[{result.name}](bench/results/{profile.name})"
        for result in results
        if (profile := profile_of(file, result.name)).exists()
    )
    where_time_goes = f" Where the time goes: {profiles}." if profiles else ""
    return (
        f"{where}\n\n{table(results)}\n{failed}\nCharts: {charts}.{where_time_goes}"
        f" All figures: [{file.name}](bench/results/{file.name}).\n"
    )


def newest() -> Path:
    """The last day's results."""
    return max(RESULTS.glob("[0-9]*.json"))


def written(readme: str, content: str) -> str:
    """README with this content between its marks."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{content}\n{END}{after}"


def write() -> None:
    """Bring README up to the newest results."""
    readme = README.read_text("utf-8")
    README.write_text(written(readme, section(newest())), "utf-8")
