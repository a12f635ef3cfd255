"""The manifests are YAML that agrees with itself, with the container and with the application."""

from __future__ import annotations

import runpy
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from sse_asgi.testing import connect, lifespan
from tests.web.proxies import DEPLOYMENT

from .test_servers import container_command

FILES = sorted((DEPLOYMENT / "kubernetes").glob("*.yaml"))


def manifest(name: str) -> Any:
    return yaml.safe_load((DEPLOYMENT / "kubernetes" / f"{name}.yaml").read_text("utf-8"))


def pod() -> Any:
    return manifest("deployment")["spec"]["template"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_manifest_names_its_kind_and_itself(file: Any) -> None:
    (document,) = yaml.safe_load_all(file.read_text("utf-8"))
    assert document["kind"].lower() == file.stem
    assert document["metadata"]["name"] == "sse-app"


def test_pods_are_those_that_deployment_and_service_select() -> None:
    labels = pod()["metadata"]["labels"]
    assert manifest("deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert manifest("service")["spec"]["selector"].items() <= labels.items()


def test_ports_lead_from_the_ingress_to_the_server() -> None:
    (container,) = pod()["spec"]["containers"]
    (port,) = container["ports"]
    (exposed,) = manifest("service")["spec"]["ports"]
    (rule,) = manifest("ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "sse-app", "port": {"name": exposed["name"]}}
    assert exposed["targetPort"] == port["name"] == container["readinessProbe"]["httpGet"]["port"]
    command = container_command()
    assert command[command.index("--port") + 1] == str(port["containerPort"])


def test_grace_is_longer_than_all_that_has_to_fit_in() -> None:
    (container,) = pod()["spec"]["containers"]
    program, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    command = container_command()
    graceful = int(command[command.index("--timeout-graceful-shutdown") + 1])
    assert int(seconds) + graceful < pod()["spec"]["terminationGracePeriodSeconds"]
    # The pod is out of the service's list by then: that takes a moment, and not a probe.
    assert int(seconds) >= 5


@pytest.mark.anyio
async def test_application_answers_the_readiness_probe() -> None:
    (container,) = pod()["spec"]["containers"]
    app = runpy.run_path(str(DEPLOYMENT / "app.py"))["app"]
    async with lifespan(app):
        async with connect(app, container["readinessProbe"]["httpGet"]["path"]) as client:
            assert (client.status, await client.text()) == (200, "ready\n")
        async with connect(app, "/events") as events:
            assert [(await events.receive()).event for _ in range(2)] == ["position", "tick"]
