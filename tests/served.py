"""The page on a port of its own, in this process."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cli.page import PageServer
from web.server import Page


@contextmanager
def serve(page: Page) -> Iterator[str]:
    """Serve a page until the block ends; answers its address, once its list has been read."""
    server = PageServer(page)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        while thread.is_alive() and not page.is_ready:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            page.close()
            server.should_exit = True
            thread.join(20)
