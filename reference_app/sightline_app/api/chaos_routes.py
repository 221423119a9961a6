"""The route by which `sightline-app chaos` puts faults into this process; it is there only where a key is set."""

from __future__ import annotations

import hmac

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from sightline_app.api.chat_request import read_json
from sightline_app.chaos.board import FaultBoard
from sightline_app.chaos.faults import KEY_FIELD, MOST_S, PATH, Faults
from sightline_app.errors import InvalidSetting, RequestRefused
from sightline_app.limits.access import Access

_MAX_BODY_BYTES = 4096


def add_chaos(app: FastAPI, key: str, access: Access, board: FaultBoard) -> None:
    """Add the route.

    Args:
        app: gets it.
        key: that a caller must send, beside an editor's or a service's API key where the app asks for keys.
        access: who may ask.
        board: the faults.
    """

    def check(request: Request) -> None:
        access.caller(request.headers).check_writes()
        if not hmac.compare_digest(request.headers.get(KEY_FIELD, "").encode(), key.encode()):
            raise RequestRefused(
                f"{KEY_FIELD} is not SIGHTLINE_APP_CHAOS_KEY of this app", kind="chaos_key_invalid", status=403
            )

    @app.get(PATH, include_in_schema=False)
    async def told(request: Request) -> JSONResponse:
        check(request)
        return JSONResponse(board.told())

    @app.put(PATH, include_in_schema=False)
    async def put(request: Request) -> JSONResponse:
        check(request)
        body = await read_json(request, _MAX_BODY_BYTES)
        for_s = body.pop("for_s", None)
        if isinstance(for_s, bool) or not isinstance(for_s, int | float) or not 0 < for_s <= MOST_S:
            raise RequestRefused(f"'for_s' must be seconds, above 0 and at most {MOST_S:g}", kind="invalid_faults")
        try:
            await board.put(Faults.read(body), float(for_s))
        except InvalidSetting as exc:
            raise RequestRefused(str(exc), kind="invalid_faults", status=409) from exc
        return JSONResponse(board.told())

    @app.delete(PATH, include_in_schema=False)
    async def end(request: Request) -> Response:
        check(request)
        await board.put(Faults(), 0.0)
        return Response(status_code=204)
