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
from .toolbox import Toolbox

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


def valid(path: Path, schema: str) -> None:
    """Compare a file with the schema that its readers publish."""
    check: list[str | Path] = [
        Path(sys.executable).with_name("check-jsonschema"),
        "--builtin-schema",
    ]
    done = subprocess.run(
        [*check, f"vendor.{schema}", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def document(service: Service, path: str) -> Document:
    read: Document = yaml.safe_load((service.folder / path).read_text("utf-8"))
    return read


FOLDER = "ops/kubernetes"


def manifests(service: Service) -> dict[str, Document]:
    """The manifests by kind and component, as Kustomize makes them: with its labels and images."""
    kustomization = document(service, f"{FOLDER}/kustomization.yaml")
    (labels,) = kustomization["labels"]
    assert labels["includeSelectors"] is True
    (image,) = kustomization["images"]
    made = {}
    for path in kustomization["resources"]:
        manifest = document(service, f"{FOLDER}/{path}")
        manifest["metadata"].setdefault("labels", {}).update(labels["pairs"])
        if manifest["kind"] == "Service":
            manifest["spec"]["selector"] |= labels["pairs"]
        elif "selector" in manifest["spec"]:
            manifest["spec"]["selector"]["matchLabels"] |= labels["pairs"]
        for container in containers(manifest):
            manifest["spec"]["template"]["metadata"]["labels"] |= labels["pairs"]
            assert container["image"] == image["name"]
            container["image"] = f"{image['name']}:{image['newTag']}"
        made[path.removesuffix(".yaml")] = manifest
    return made


def containers(manifest: Document) -> list[Document]:
    """The containers of what makes pods."""
    found: list[Document] = (
        manifest["spec"].get("template", {}).get("spec", {}).get("containers", [])
    )
    return found


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
    files = ["Dockerfile", ".dockerignore", "compose.yaml"]
    assert [file for file in files if (service.folder / file).exists()] == []
    ops = {path.name for path in (service.folder / "ops").iterdir()}
    assert ops == {"alerts.yml", "alerts_test.yml", "dashboard.json"}


def test_the_linter_is_content_with_the_dockerfile(with_image: Service) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run(
        [hadolint, with_image.folder / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (linted.stdout, linted.returncode) == ("", 0)


def test_the_image_runs_the_service_on_the_port_that_it_exposes(with_image: Service) -> None:
    assert yaml.safe_load(told(with_image, "CMD")) == ["python", "-m", PACKAGE, "serve"]
    assert (with_image.folder / "src" / PACKAGE / "__main__.py").exists()
    assert told(with_image, "EXPOSE") == "8000 9400"
    assert "HOST=0.0.0.0" in told(with_image, "ENV")
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
    last = instructions(with_image)[-11:]
    after_the_last_stage = last[[name for name, _ in last].index("FROM") :]
    assert "RUN" not in {name for name, _ in after_the_last_stage}


def test_the_image_pins_the_uv_that_developers_may_have(with_image: Service) -> None:
    (pinned,) = re.findall(r"uv==([\d.]+)", with_image.texts("Dockerfile")["Dockerfile"])
    (lowest,) = re.findall(r'"uv>=([\d.]+)', with_image.texts("pyproject.toml")["pyproject.toml"])
    assert pinned == lowest


def test_the_manifests_are_what_kubernetes_knows(kubernetes: Service) -> None:
    made = manifests(kubernetes)
    assert {manifest["kind"] for manifest in made.values()} == {
        *("Deployment", "HorizontalPodAutoscaler", "Job", "NetworkPolicy"),
        *("PodDisruptionBudget", "Service"),
    }
    for manifest in made.values():
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_every_manifest_is_applied(kubernetes: Service) -> None:
    folder = kubernetes.folder / FOLDER
    named = set(document(kubernetes, f"{FOLDER}/kustomization.yaml")["resources"])
    assert {path.name for path in folder.iterdir()} == named | {"kustomization.yaml"}


def test_kubernetes_sends_requests_to_the_ports_of_the_image(kubernetes: Service) -> None:
    made = manifests(kubernetes)
    (container,) = containers(made["deployment"])
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    assert " ".join(ports.values()) == told(kubernetes, "EXPOSE")
    assert list(ports) == ["http", "metrics"]
    assert [port["targetPort"] for port in made["service"]["spec"]["ports"]] == ["http"]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    for probe in probes:
        assert probe["port"] == "http"
        assert f'"{probe["path"]}"' in kubernetes.texts("kit/health.py").popitem()[1]


def test_what_selects_pods_selects_its_own_alone(rendered: Callable[..., Service]) -> None:
    """The outbox and the migration are pods of the same name, which serve nobody."""
    made = manifests(rendered(service_name=NAME, deployment="kubernetes", outbox=True))
    pods = {
        name: manifest["spec"]["template"]["metadata"]["labels"]
        for name, manifest in made.items()
        if containers(manifest)
    }
    (spread, other) = made["deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    selectors = {
        "the Service": (made["service"]["spec"]["selector"], {"deployment"}),
        "the deployment": (_matched(made["deployment"]["spec"]["selector"]), {"deployment"}),
        "the budget": (_matched(made["disruption"]["spec"]["selector"]), {"deployment"}),
        "the zones": (_matched(spread["labelSelector"]), {"deployment"}),
        "the nodes": (_matched(other["labelSelector"]), {"deployment"}),
        "the outbox": (_matched(made["outbox"]["spec"]["selector"]), {"outbox"}),
        "the policy": (_matched(made["network"]["spec"]["podSelector"]), set(pods)),
    }
    for name, (selector, expected) in selectors.items():
        found = {pod for pod, labels in pods.items() if selector.items() <= labels.items()}
        assert found == expected, name


def _matched(selector: Document) -> Document:
    labels: Document = selector["matchLabels"]
    return labels


def test_the_autoscaler_stays_within_what_the_pools_are_added_up_for(
    kubernetes: Service, toolbox: Toolbox
) -> None:
    made = manifests(kubernetes)
    scaler = made["autoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == made["deployment"]["metadata"]["name"]
    assert "replicas" not in made["deployment"]["spec"]
    (container,) = containers(made["deployment"])
    replicas = {each["name"]: each["value"] for each in container["env"]}["REPLICAS"]
    assert int(replicas) == scaler["maxReplicas"]
    surge = made["deployment"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    (counted,) = re.findall(
        r"DEPLOY_SURGE = 0\.(\d+)", kubernetes.texts("kit/capacity.py").popitem()[1]
    )
    assert surge == f"{counted}%"
    fits = f"from {PACKAGE}.kit import capacity, settings; capacity.check(settings.KitSettings("
    fits += f"database_url='postgresql:///x', replicas={replicas}))"
    toolbox.run(kubernetes, "python", "-c", fits)


def test_the_metrics_are_for_the_monitoring_alone(kubernetes: Service) -> None:
    public, metrics = manifests(kubernetes)["network"]["spec"]["ingress"]
    assert (public["ports"], "from" in public) == ([{"port": "http"}], False)
    assert metrics["ports"] == [{"port": "metrics"}]
    (source,) = metrics["from"]
    assert "namespaceSelector" in source


def test_no_pod_may_do_more_than_it_has_to(rendered: Callable[..., Service]) -> None:
    made = manifests(rendered(service_name=NAME, deployment="kubernetes", outbox=True))
    pods = [
        manifest["spec"]["template"]["spec"] for manifest in made.values() if containers(manifest)
    ]
    assert len(pods) == 3
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            locked = container["securityContext"]
            assert locked["readOnlyRootFilesystem"] is True
            assert locked["allowPrivilegeEscalation"] is False
            assert locked["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]) == {"requests", "limits"}


def test_kubernetes_names_one_service_one_image_and_one_secret(kubernetes: Service) -> None:
    made = manifests(kubernetes)
    assert {manifest["metadata"]["name"] for manifest in made.values()} == {NAME, f"{NAME}-migrate"}
    for manifest in made.values():
        for container in containers(manifest):
            assert container["image"].startswith(f"{NAME}:")
            assert container["envFrom"] == [{"secretRef": {"name": NAME}}]
    fixed = {
        each["name"]
        for manifest in made.values()
        for container in containers(manifest)
        for each in container.get("env", [])
    }
    assert fixed == {"REPLICAS"}
    runbook = kubernetes.texts("RUNBOOK.md")["RUNBOOK.md"]
    assert "`REPLICAS` stands in\n`ops/kubernetes/deployment.yaml`, which wins" in runbook
    assert f"the secret `{NAME}` with `DATABASE_URL`, `API_KEY_PEPPER`" in runbook
    assert f"kubectl rollout undo deployment/{NAME}`" in runbook
    assert f"kubectl wait job/{NAME}-migrate " in runbook
    assert f"docker build --tag {NAME} ." in runbook


def test_the_schema_is_brought_forward_before_the_pods_are_replaced(kubernetes: Service) -> None:
    made = manifests(kubernetes)
    assert [each["command"] for each in containers(made["migrate"])] == [
        ["alembic", "upgrade", "heads"]
    ]
    assert "initContainers" not in made["deployment"]["spec"]["template"]["spec"]
    runbook = kubernetes.texts("RUNBOOK.md")["RUNBOOK.md"]
    label = "app.kubernetes.io/component"
    (selected,) = re.findall(rf"--selector {label}=(\S+)", runbook)
    of_a_step = {
        name for name, each in made.items() if each["metadata"]["labels"].get(label) == selected
    }
    assert of_a_step == {"migrate"}
    assert runbook.index("kubectl wait job") < runbook.index("kubectl rollout status")


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
    mounts = [mount for each in services.values() for mount in each.get("volumes", [])]
    named = {mount.partition(":")[0] for mount in mounts if not mount.startswith("./")}
    assert named == set(compose["volumes"])


@pytest.mark.parametrize("redis", [False, True])
def test_compose_lets_every_setting_be_set_but_for_those_that_it_rests_on(
    redis: bool, rendered: Callable[..., Service]
) -> None:
    """No image holds a `.env`; what `environment` names wins over `env_file`."""
    service = rendered(service_name=NAME, deployment="compose", outbox=True, oidc=True, redis=redis)
    services = document(service, "compose.yaml")["services"]
    built = [each for each in services.values() if each.get("build")]
    assert len(built) == 3
    for each in built:
        assert each["env_file"] == [{"path": ".env", "required": False}]
    given: dict[str, str] = built[-1]["environment"]
    assert given.items() >= built[0]["environment"].items() == built[1]["environment"].items()
    asked = {name for name, value in given.items() if value.startswith(f"${{{name}:?")}
    assert asked == {"API_KEY_PEPPER", "OIDC_ISSUER", "OIDC_AUDIENCE", "OUTBOX_URLS"}
    runbook = service.texts("RUNBOOK.md")["RUNBOOK.md"]
    (fixed,) = re.findall(r"What `compose\.yaml` sets itself wins: (.+?)\. ", runbook, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", fixed)) == given.keys() - asked
    # Where its own ports lead, and Prometheus looks.
    assert f"{given['PORT']} {given['METRICS_PORT']}" == told(service, "EXPOSE")
    assert services["service"]["ports"][0].endswith(f":{given['PORT']}")
    assert f"HOST={given['HOST']}" in told(service, "ENV")


def test_compose_is_what_docker_knows(rendered: Callable[..., Service]) -> None:
    service = rendered(service_name=NAME, deployment="compose", outbox=True, redis=True, oidc=True)
    valid(service.folder / "compose.yaml", "compose-spec")


def test_compose_starts_redis_where_limits_are_kept_in_it(
    compose: Document, rendered: Callable[..., Service]
) -> None:
    assert "redis" not in compose["services"]
    assert "RATE_LIMIT_STORE" not in compose["services"]["service"]["environment"]
    service = rendered(service_name=NAME, deployment="compose", redis=True)
    services = document(service, "compose.yaml")["services"]
    assert services["service"]["environment"]["RATE_LIMIT_STORE"] == "redis://redis:6379/0"
    assert services["service"]["depends_on"]["redis"] == {"condition": "service_healthy"}


def test_compose_asks_for_health_only_where_requests_are_answered(
    rendered: Callable[..., Service],
) -> None:
    """The image's own question would call a worker ill, and `up --wait` would never end."""
    service = rendered(service_name=NAME, deployment="compose", outbox=True)
    built = {
        name: each.get("healthcheck")
        for name, each in document(service, "compose.yaml")["services"].items()
        if each.get("build")
    }
    assert built == {"migrate": {"disable": True}, "service": None, "outbox": {"disable": True}}


def test_nothing_of_compose_can_be_reached_from_another_machine(compose: Document) -> None:
    for each in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in each.get("ports", []))


def test_prometheus_and_grafana_see_this_service(rendered: Callable[..., Service]) -> None:
    service = rendered(service_name=NAME, deployment="compose", outbox=True)
    services = document(service, "compose.yaml")["services"]
    for name in ("prometheus", "grafana"):
        for mount in services[name]["volumes"]:
            source = mount.partition(":")[0]
            assert not source.startswith("./") or (service.folder / source).exists()
    prometheus = document(service, "ops/prometheus.yml")
    assert "./ops/alerts.yml:/etc/prometheus/alerts.yml:ro" in services["prometheus"]["volumes"]
    assert prometheus["rule_files"] == ["alerts.yml"]
    (scraped,) = prometheus["scrape_configs"]
    assert scraped["job_name"] == NAME
    (found,) = scraped["dns_sd_configs"]
    assert set(found["names"]) <= set(services)
    assert str(found["port"]) in told(service, "EXPOSE").split()
    source = document(service, "ops/grafana/datasources/prometheus.yml")["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = document(service, "ops/grafana/dashboards/files.yml")["providers"]
    folder = provider["options"]["path"]
    assert f"./ops/dashboard.json:{folder}/{NAME}.json:ro" in services["grafana"]["volumes"]


def test_prometheus_in_the_cluster_finds_the_pods(kubernetes: Service) -> None:
    (scraped,) = document(kubernetes, "ops/prometheus.yml")["scrape_configs"]
    assert scraped["job_name"] == NAME
    (discovery,) = scraped["kubernetes_sd_configs"]
    (selector,) = discovery["selectors"]
    label, _, value = selector["label"].partition("=")
    made = manifests(kubernetes)["deployment"]
    assert made["spec"]["template"]["metadata"]["labels"][label] == value
    (container,) = containers(made)
    names = [port["name"] for port in container["ports"]]
    assert [
        each["regex"] for each in scraped["relabel_configs"] if each.get("action") == "keep"
    ] == [names[1]]
