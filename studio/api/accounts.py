"""Tokens and credits (api-contract 2.1, 2.5, 2.11)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from starlette.responses import Response

from studio.api.answers import envelope
from studio.api.bodies import ClaimToken, read_body
from studio.api.call import Call, no_body
from studio.errors import BadRequest
from studio.store import MintLimits


async def mint_token(call: Call) -> Response:
    """Answer a fresh anonymous token (2.1): one per client id and week, ten per address and week."""
    settings = call.studio.settings
    client_id = _client_id(call.request.headers.get("x-client-id", ""))
    await no_body(call.request)
    ip = call.request.client.host if call.request.client else ""
    limits = MintLimits(settings.credits, settings.token_life_s, settings.tokens_per_ip)
    minted = await call.studio.remember(call.studio.store.accounts.mint, client_id, ip, limits)
    expires_at = datetime.fromtimestamp(minted.expires, UTC).isoformat()
    return envelope(
        {
            "token": minted.token,
            "user_id": minted.account,
            "credits": minted.credits,
            "expires_at": expires_at,
        }
    )


async def show_balance(call: Call) -> Response:
    """Answer the account's credits (2.5)."""
    balance = await call.studio.remember(call.studio.store.accounts.balance, call.account.id)
    return envelope({"available": balance.available, "frozen": balance.frozen, "total": balance.total})


async def claim_token(call: Call) -> Response:
    """Answer the one token that may stand in a link for a person (2.11)."""
    body = await read_body(call.request, ClaimToken)
    studio = call.studio
    session = await studio.remember(studio.store.sessions.get, call.account.id, body.session_id)
    if session.task != body.task_id:
        raise BadRequest("task_id is not the task of this session.")
    life_s = studio.settings.token_life_s
    token = await studio.remember(studio.store.accounts.claim, call.account.id, session.id, life_s)
    return envelope({"claim_token": token})


def _client_id(header: str) -> str:
    try:
        return str(uuid.UUID(header.strip()))
    except ValueError as error:
        raise BadRequest("X-Client-Id must be a UUID.") from error
