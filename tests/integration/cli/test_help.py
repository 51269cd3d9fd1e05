import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.integration


def test_help_loads_none_of_the_heavy_parts():
    heavy = ("redis", "celery", "rich.live", "structlog", "numpy", "pydantic_settings", "httpx", "av")
    code = "import sys; sys.argv = ['dropscore', '--help']\nfrom cli.main import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += f"print(sorted(set({heavy}) & set(sys.modules)), file=sys.stderr)"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert time.monotonic() - began < 5  # 0.2 s on an idle machine
