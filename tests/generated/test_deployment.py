"""What carries a service to where it runs agrees with the service, and with itself."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from .rendering import Service

NAME = "customer-invoice-api"
PACKAGE = "customer_invoice_api"
IMAGE = {"kubernetes", "compose"}

Document = dict[str, Any]


@pytest.fixture(scope="module", params=sorted(IMAGE))
def with_image(request: pytest.FixtureRequest, rendered: Callable[..., Service]) -> Service:
    return rendered(service_name=NAME, deployment=request.param)


@pytest.fixture(scope="module")
def kubernetes(rendered: Callable[..., Service]) -> Service:
    return rendered(service_name=NAME, deployment="kubernetes")


@pytest.fixture(scope="module")
def compose(rendered: Callable[..., Service]) -> Document:
    service = rendered(service_name=NAME, deployment="compose")
    return document(service, "compose.yaml")


def document(service: Service, path: str) -> Document:
    read: Document = yaml.safe_load((service.folder / path).read_text("utf-8"))
    return read


def manifests(service: Service) -> dict[str, Document]:
    """The manifests by kind, as Kustomize makes them: with its labels, images and tags."""
    folder = "ops/kubernetes"
    kustomization = document(service, f"{folder}/kustomization.yaml")
    made = [document(service, f"{folder}/{path}") for path in kustomization["resources"]]
    (labels,) = kustomization["labels"]
    assert labels["includeSelectors"] is True
    for manifest in made:
        manifest["metadata"]["labels"] = labels["pairs"]
        if manifest["kind"] == "Service":
            manifest["spec"]["selector"] = labels["pairs"]
        else:
            manifest["spec"]["selector"] = {"matchLabels": labels["pairs"]}
            manifest["spec"]["template"]["metadata"] = {"labels": labels["pairs"]}
            for container in containers(manifest):
                (image,) = kustomization["images"]
                assert container["image"] == image["name"]
                container["image"] = f"{image['name']}:{image['newTag']}"
    return {manifest["kind"]: manifest for manifest in made}


def containers(deployment: Document) -> list[Document]:
    pod = deployment["spec"]["template"]["spec"]
    return [*pod["initContainers"], *pod["containers"]]


def instructions(service: Service) -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, in order, with what they say."""
    text = service.texts("Dockerfile")["Dockerfile"].replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def told(service: Service, instruction: str) -> str:
    """What the last such instruction says."""
    return [value for name, value in instructions(service) if name == instruction][-1]


def test_without_a_deployment_there_is_nothing_of_one(rendered: Callable[..., Service]) -> None:
    service = rendered(deployment="none")
    files = ["Dockerfile", ".dockerignore", "compose.yaml", "ops"]
    assert [file for file in files if (service.folder / file).exists()] == []


def test_the_linter_is_content_with_the_dockerfile(with_image: Service) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run(
        [hadolint, with_image.folder / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (linted.stdout, linted.returncode) == ("", 0)


def test_the_image_runs_the_service_on_the_port_that_it_exposes(with_image: Service) -> None:
    command = yaml.safe_load(told(with_image, "CMD"))
    assert command[:3] == ["uvicorn", "--factory", f"{PACKAGE}.main:create_app"]
    assert (with_image.folder / "src" / PACKAGE / "main.py").exists()
    # uvicorn's own port, as nothing else is told.
    assert "--port" not in command
    assert told(with_image, "EXPOSE") == "8000"
    assert "http://127.0.0.1:8000/livez" in told(with_image, "HEALTHCHECK")


def test_the_image_is_built_from_what_its_context_holds(with_image: Service) -> None:
    ignored = with_image.texts(".dockerignore")[".dockerignore"].splitlines()
    assert ignored[0] == "*"
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for name, value in instructions(with_image)
        if name == "COPY" and "--from" not in value
        for source in shlex.split(value)[:-1]
    }
    assert copied == {path.removeprefix("./") for path in copied} == sent
    assert all((with_image.folder / path).exists() for path in sent - {"uv.lock"})


def test_the_image_needs_no_root_and_no_build_tool(with_image: Service) -> None:
    stages = [value for name, value in instructions(with_image) if name == "FROM"]
    assert [" AS " in stage for stage in stages] == [True, False]
    assert int(told(with_image, "USER")) > 0
    last = instructions(with_image)[-10:]
    after_the_last_stage = last[[name for name, _ in last].index("FROM") :]
    assert "RUN" not in {name for name, _ in after_the_last_stage}


def test_the_image_pins_the_uv_that_developers_may_have(with_image: Service) -> None:
    (pinned,) = re.findall(r"uv==([\d.]+)", with_image.texts("Dockerfile")["Dockerfile"])
    (lowest,) = re.findall(r'"uv>=([\d.]+)', with_image.texts("pyproject.toml")["pyproject.toml"])
    assert pinned == lowest


def test_the_manifests_are_what_kubernetes_knows(kubernetes: Service) -> None:
    made = manifests(kubernetes)
    assert set(made) == {"Deployment", "Service"}
    for manifest in made.values():
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_every_manifest_is_applied(kubernetes: Service) -> None:
    folder = kubernetes.folder / "ops" / "kubernetes"
    named = set(document(kubernetes, "ops/kubernetes/kustomization.yaml")["resources"])
    assert {path.name for path in folder.iterdir()} == named | {"kustomization.yaml"}


def test_kubernetes_sends_requests_to_the_port_of_the_image(kubernetes: Service) -> None:
    made = manifests(kubernetes)
    *_, container = containers(made["Deployment"])
    (port,) = container["ports"]
    assert port["containerPort"] == int(told(kubernetes, "EXPOSE"))
    assert [port["targetPort"] for port in made["Service"]["spec"]["ports"]] == [port["name"]]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")]
    assert {probe["port"] for probe in probes} == {port["name"]}
    for probe in probes:
        assert f'"{probe["path"]}"' in kubernetes.texts("kit/health.py").popitem()[1]


def test_kubernetes_names_one_service_one_image_and_one_secret(kubernetes: Service) -> None:
    made = manifests(kubernetes)
    assert {manifest["metadata"]["name"] for manifest in made.values()} == {NAME}
    for container in containers(made["Deployment"]):
        assert container["image"].startswith(f"{NAME}:")
        assert container["envFrom"] == [{"secretRef": {"name": NAME}}]
    runbook = kubernetes.texts("RUNBOOK.md")["RUNBOOK.md"]
    assert f"secret\n  `{NAME}` (key `DATABASE_URL`)" in runbook
    assert f"kubectl rollout undo deployment/{NAME}" in runbook
    assert f"docker build --tag {NAME} ." in runbook


def test_compose_migrates_before_it_serves(compose: Document) -> None:
    services = compose["services"]
    assert services["migrate"]["command"] == ["alembic", "upgrade", "heads"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    after = {"migrate": {"condition": "service_completed_successfully"}}
    assert services["service"]["depends_on"] == after


def test_compose_names_one_database_and_one_port(compose: Document) -> None:
    services = compose["services"]
    database = services["postgres"]["environment"]["POSTGRES_DB"]
    assert database == PACKAGE
    for user in ("migrate", "service"):
        url = services[user]["environment"]["DATABASE_URL"]
        assert url.startswith("postgresql://postgres:${POSTGRES_PASSWORD:?")
        assert url.endswith(f"@postgres:5432/{database}")
    assert services["service"]["ports"] == ["127.0.0.1:8000:8000"]
    volumes = {mount.partition(":")[0] for mount in services["postgres"]["volumes"]}
    assert volumes == set(compose["volumes"])
