"""The studio's own endpoints under `/_studio/`: to look behind the scene and to steer it. Loopback only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from studio.api import messages
from studio.api.messages import Body, read_body
from studio.errors import Refusal
from studio.faults import FaultTable
from studio.service import Studio
from studio.settings import Plan

Control = Callable[[Studio, Request], Awaitable[Response]]


class SetCredits(Body):
    """What is available to an account from now on; null means every account."""

    account: str | None = None
    available: Annotated[int, Field(ge=0, le=2**53)]


class SetPlan(Body):
    """The plan of everyone: on "free" no render is taken (402)."""

    plan: Plan


class Register(Body):
    """A registered account with a token of its own."""

    credits: Annotated[int, Field(ge=0, le=2**53)]


async def show_ledger(studio: Studio, request: Request) -> Response:
    """Answer charges, requests, renders and accounts, and how often each kind of fault has struck."""
    seen = await studio.remember(studio.store.journal.ledger)
    return JSONResponse({**seen, "faults": dict(studio.faults.struck)})


async def show_traffic(studio: Studio, request: Request) -> Response:
    """Answer the latest requests since the start, each with its time, oldest first."""
    return JSONResponse({"requests": studio.traffic.seen()})


async def show_health(studio: Studio, request: Request) -> Response:
    """Answer that the studio is up."""
    return JSONResponse({"status": "ok", "edits_in_progress": len(studio.working)})


async def set_credits(studio: Studio, request: Request) -> Response:
    """Set the credits of an account, or of all."""
    body = await read_body(request, SetCredits)
    await studio.remember(studio.store.accounts.grant, body.account, body.available)
    return JSONResponse(body.model_dump())


async def set_plan(studio: Studio, request: Request) -> Response:
    """Set the plan."""
    body = await read_body(request, SetPlan)
    await studio.remember(studio.store.journal.switch, "plan", body.plan)
    return JSONResponse(body.model_dump())


async def set_faults(studio: Studio, request: Request) -> Response:
    """Put another table of faults in force."""
    table = await read_body(request, FaultTable)
    studio.faults.replace(table)
    return JSONResponse({"seed": table.seed, "rules": len(table.rules)})


async def register(studio: Studio, request: Request) -> Response:
    """Make a registered account; its token is what a person would keep in NEMO_TOKEN."""
    body = await read_body(request, Register)
    life_s = studio.settings.token_life_s
    minted = await studio.remember(studio.store.accounts.register, body.credits, life_s)
    return JSONResponse({"token": minted.token, "user_id": minted.account, "credits": minted.credits})


def control_routes(studio: Studio) -> list[Route]:
    """Answer the routes under `/_studio/`."""
    listed: tuple[tuple[str, str, Control], ...] = (
        ("GET", "health", show_health),
        ("GET", "ledger", show_ledger),
        ("GET", "traffic", show_traffic),
        ("POST", "credits", set_credits),
        ("POST", "plan", set_plan),
        ("POST", "faults", set_faults),
        ("POST", "accounts", register),
    )
    return [Route(f"/_studio/{path}", _guard(studio, act), methods=[method]) for method, path, act in listed]


def _guard(studio: Studio, act: Control) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            return await act(studio, request)
        except Refusal as error:
            return messages.refusal(error)

    return serve
