"""The studio answers as its OpenAPI description says, whatever is sent to it."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from studio.openapi import describe
from studio.server import ENDPOINTS
from studio.settings import StudioSettings

pytestmark = pytest.mark.integration

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
schema = schemathesis.openapi.from_dict(describe(StudioSettings()))


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_sent(case, resident):
    if case.path_parameters.get("session"):
        case.path_parameters["session"] = resident.session
    case.call_and_validate(base_url=resident.studio.url, headers=resident.headers, checks=CHECKS)


@pytest.fixture(scope="module")
def resident(shared_studio):
    """Somebody with a session, so that requests get past the door."""
    guest = shared_studio.guest()
    guest.open()
    return guest


def test_the_studio_publishes_it(studio):
    assert studio.http.get("/openapi.json").json() == describe(StudioSettings())


def test_every_endpoint_of_the_contract_is_described():
    described = describe(StudioSettings())["paths"]
    assert {path: {method.lower()} for _, method, path, _ in ENDPOINTS} == {
        path: set(methods) for path, methods in described.items()
    }
