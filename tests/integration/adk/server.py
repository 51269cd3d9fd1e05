"""A real ADK server with the scripted agent, on a free port of loopback; it runs in .venv-adk."""

import socket
from pathlib import Path

import uvicorn
from google.adk.cli.fast_api import get_fast_api_app


def main() -> None:
    app = get_fast_api_app(
        agents_dir=str(Path(__file__).with_name("agents")), web=False, use_local_storage=False
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
