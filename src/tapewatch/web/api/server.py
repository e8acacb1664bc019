"""The API behind uvicorn, with two things that uvicorn does not know: streams never end, and queries are private."""

import socket

import uvicorn
from fastapi import FastAPI

from tapewatch.web.api.deps import ApiSettings


class ApiServer(uvicorn.Server):
    """A uvicorn server for `create_app`'s application. Run it with `run()` or `await serve()`; `should_exit = True`,
    from any thread, stops it."""

    def __init__(self, app: FastAPI, settings: ApiSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                access_log=False,  # its lines hold queries, and queries hold e-mail addresses; RequestMetrics logs
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=10,
                lifespan="off",
                ws="none",
            )
        )
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams first: each would otherwise hold the shutdown up until its client leaves."""
        self._app.state.alert_stream.stop()
        await super().shutdown(sockets)
